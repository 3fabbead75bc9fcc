"""kill -9 costs nothing but time: the job ends by itself, to the same bits as an undisturbed run."""
import unittest

import tiny
from cluster import Cluster, wait_for

# Long enough to be hit in mid-training several times over.
RECIPE = """
target: {sparsity: 0.5}
finetune: {epochs: 64, learning_rate: 0.002}
prune: {epochs: 64, learning_rate: 0.002}
recover: {epochs: 4, learning_rate: 0.002}
exits: {epochs: 4, learning_rate: 0.003}
max_length: 32
"""


class Kill(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(Cluster("--checkpoint-seconds", "1", "--lease-seconds", "4"))
        folder = cls.cluster.folder
        (folder / "recipe.yaml").write_text(RECIPE)
        cls.cluster.cli("models", "upload", "tiny", tiny.write_model(folder / "tiny-bert"))
        cls.cluster.upload_dataset("reviews", tiny.write_dataset(folder / "reviews"))
        cls.undisturbed = cls.weights(cls.run_job("undisturbed"))

    @classmethod
    def submit(cls, name):
        cls.cluster.cli("jobs", "submit", "--model", "tiny", "--dataset", "reviews", "--name", name,
                        "--recipe", cls.cluster.folder / "recipe.yaml")

    @classmethod
    def job(cls, name):
        return cls.cluster.json("jobs", "get", name)

    @classmethod
    def ended(cls, name):
        job = wait_for(f"{name} to end", lambda: (found := cls.job(name))["state"] not in
                       ("STATE_QUEUED", "STATE_RUNNING") and found, seconds=300, every=0.5)
        assert job["state"] == "STATE_SUCCEEDED", job
        return job

    @classmethod
    def run_job(cls, name):
        cls.submit(name)
        return cls.ended(name)

    @classmethod
    def weights(cls, job):
        return [cls.cluster.json("artifacts", "get", name.rsplit("/", 1)[1])["weights_sha256"] for name in job["artifacts"]]

    def in_phase(self, name, phase, step):
        def reached():
            progress = self.job(name).get("progress", {})
            return progress.get("phase") == phase and progress.get("step", 0) >= step
        wait_for(f"{name} to reach {phase}, step {step}", reached, seconds=120, every=0.05)

    def starts(self, name):
        """How often a worker took the job up, by the job's own history."""
        return self.cluster.cli("jobs", "watch", name).stdout.count(" starts on ")

    def test_a_killed_worker_costs_one_lease_and_no_bit(self):
        self.submit("worker-killed")
        self.in_phase("worker-killed", "finetune", 60)
        self.cluster.kill("espalier-worker")
        self.in_phase("worker-killed", "prune", 1)
        self.cluster.kill("espalier-worker")
        job = self.ended("worker-killed")
        self.assertEqual(self.starts("worker-killed"), 3)
        self.assertEqual(self.weights(job), self.undisturbed)

    def test_a_killed_control_plane_loses_nothing_and_the_worker_keeps_its_lease(self):
        self.submit("control-killed")
        self.in_phase("control-killed", "finetune", 60)
        worker = self.cluster.pid_of("espalier-worker")
        self.cluster.kill("espalierd")
        wait_for("the control plane to answer", lambda: self.cluster.cli("jobs", "list", check=False).returncode == 0)
        job = self.ended("control-killed")
        self.assertEqual(self.starts("control-killed"), 1)
        self.assertEqual(self.cluster.pid_of("espalier-worker"), worker)
        self.assertEqual(self.weights(job), self.undisturbed)


if __name__ == "__main__":
    unittest.main()
