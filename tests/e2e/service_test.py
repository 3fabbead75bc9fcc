"""The whole road on a tiny model: upload, compress, publish, serve, ask; and the doors that must not open."""
import hashlib
import pathlib
import re
import shutil
import subprocess
import sys
import unittest
import xml.etree.ElementTree

import grpc
import tiny
from cluster import BIN, ROOT, Cluster, wait_for
from tritonclient.grpc import service_pb2, service_pb2_grpc

HERE = pathlib.Path(__file__).resolve().parent
RECIPE = """
target: {sparsity: 0.5}
finetune: {epochs: 6, learning_rate: 0.003}
prune: {epochs: 4, learning_rate: 0.002}
recover: {epochs: 4, learning_rate: 0.002}
exits: {epochs: 4, learning_rate: 0.003}
max_length: 32
"""
REFUSED, NOT_FOUND = 4, 3  # exit codes of the CLI
SENTENCES = ["the plot is great and lovely.", "a dull and clumsy movie.", "fresh, warm, funny."]


class Service(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(Cluster())
        cls.folder = cls.cluster.folder
        cls.model = tiny.write_model(cls.folder / "tiny-bert")
        cls.dataset = tiny.write_dataset(cls.folder / "reviews")
        (cls.folder / "recipe.yaml").write_text(RECIPE)
        cls.cluster.cli("models", "upload", "tiny", cls.model)
        cls.cluster.upload_dataset("reviews", cls.dataset)
        cls.watched = cls.cluster.cli("jobs", "submit", "--model", "tiny", "--dataset", "reviews", "--name", "first",
                                      "--recipe", cls.folder / "recipe.yaml", "--watch")
        artifacts = cls.cluster.json("jobs", "get", "first")["artifacts"]
        cls.compressed, cls.dense = (name.rsplit("/", 1)[1] for name in artifacts)
        for endpoint, artifact in (("small", cls.compressed), ("dense", cls.dense)):
            cls.cluster.cli("endpoints", "set", endpoint, artifact)
            wait_for(f"{endpoint} to be served",
                     lambda: cls.cluster.cli("predict", endpoint, "a film", check=False).returncode == 0)

    def refused(self, *arguments, words, code=REFUSED):
        self.assert_refused(self.cluster.cli(*arguments, check=False), words, code)

    def assert_refused(self, done, words, code=REFUSED):
        """A command that ended with the code, and whose message holds every one of the words."""
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        for word in words:
            self.assertIn(word.lower(), (done.stdout + done.stderr).lower())

    # --- what works ---

    def test_a_watched_job_prints_its_phases_and_its_end(self):
        for word in ("finetune", "prune", "exits", "succeeded"):
            self.assertIn(word, self.watched.stdout.lower())

    def test_the_report_compares_dense_and_compressed(self):
        report = self.cluster.json("artifacts", "report", self.compressed)
        dense, small = report["dense"], report["compressed"]
        self.assertLess(small["encoder_parameters"], 0.55 * dense["encoder_parameters"])
        self.assertLess(small["macs"], dense["macs"])
        self.assertGreater(small["metric"]["value"], 80)
        self.assertLessEqual(small["metric"]["low"], small["metric"]["value"])
        self.assertGreaterEqual(small["latency_ms"]["samples"], 50)
        self.assertGreaterEqual(small["mean_exit_layer"], 1)
        self.assertLessEqual(small["mean_exit_layer"], 3)

    def test_the_report_is_drawn_as_text_and_as_pictures_beside_it(self):
        folder, layers = self.folder / "drawn", self.cluster.json("artifacts", "report", self.compressed)["dense"]["layers"]
        text = self.cluster.cli("artifacts", "report", self.compressed).stdout
        self.assertEqual(len(re.findall(r"^ *\d+  heads [#.]+ +\d+/\d+ +neurons [#.]+ \d+/\d+$", text, re.M)), len(layers))
        self.cluster.cli("artifacts", "download", self.compressed, folder)
        for picture, shown in (("shape.svg", "What is left of each layer"), ("curves.svg", "recover")):
            words = xml.etree.ElementTree.parse(folder / picture).getroot().itertext()
            self.assertIn(shown, [word.strip() for word in words])
            self.assertIn(f"]({picture})", (folder / "README.md").read_text())
        phases = {phase["name"]: phase for phase in self.cluster.json("artifacts", "report", self.compressed)["phases"]}
        for name in ("finetune", "prune", "recover", "exits"):
            self.assertEqual(phases[name]["curve"][0]["step"], 1)
            self.assertLessEqual(phases[name]["curve"][-1]["step"], phases[name]["steps"])

    def test_predictions_carry_label_confidence_and_exit_layer(self):
        answers = self.cluster.json("predict", "small", *SENTENCES)["predictions"]
        self.assertEqual([answer["label"] for answer in answers], ["positive", "negative", "positive"])
        for answer in answers:
            self.assertTrue(0.5 <= answer["confidence"] <= 1)
            self.assertIn(answer["exit_layer"], (1, 2, 3))

    def test_a_downloaded_artifact_has_the_hash_that_the_service_names(self):
        self.cluster.cli("artifacts", "download", self.compressed, self.folder / "downloaded")
        digest = hashlib.sha256((self.folder / "downloaded/model.safetensors").read_bytes()).hexdigest()
        self.assertEqual(digest, self.cluster.json("artifacts", "get", self.compressed)["weights_sha256"])

    def test_the_control_plane_refuses_a_port_in_use(self):
        done = subprocess.run([BIN / "espalierd", "--listen", self.cluster.control, "--admin", "127.0.0.1:0",
                               "--data", self.folder / "other"], capture_output=True, text=True, timeout=30)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(self.cluster.control, done.stderr)
        self.assertIn("in use", done.stderr)

    def test_a_job_that_breaks_its_constraint_publishes_nothing_and_says_so(self):
        done = self.cluster.cli("jobs", "submit", "--model", "tiny", "--dataset", "reviews", "--name", "greedy",
                                "--recipe", self.folder / "recipe.yaml", "--sparsity", 0.97, "--max-drop", 0,
                                "--prune-epochs", 0.3, "--recover-epochs", 0.1, "--watch", check=False)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        job = self.cluster.json("jobs", "get", "greedy")
        self.assertEqual(job["state"], "STATE_FAILED")
        self.assertIn("the constraint is broken", job["failure"]["message"])
        self.assertFalse(job.get("artifacts"))

    def test_rows_without_labels_are_distilled_and_exits_calibrated_without_labels(self):
        folder = self.folder / "half-labelled"
        shutil.copytree(self.dataset, folder)
        texts = [line.split("\t")[0] for line in (folder / "calibrate.tsv").read_text().splitlines()]
        (folder / "calibrate.tsv").write_text("".join(f"{text}\n" for text in texts))
        more = tiny.write_dataset(self.folder / "more", seed=2, train=256) / "train.tsv"  # its labels are ignored
        self.cluster.upload_dataset("half-labelled", folder, "--unlabelled", more)
        self.cluster.cli("jobs", "submit", "--model", "tiny", "--dataset", "half-labelled", "--name", "half-labelled",
                         "--recipe", self.folder / "recipe.yaml", "--watch")
        artifact = self.cluster.json("jobs", "get", "half-labelled")["artifacts"][0].rsplit("/", 1)[1]
        report, other = (self.cluster.json("artifacts", "report", one) for one in (artifact, self.compressed))
        self.assertEqual(report["data"]["splits"]["unlabelled"], 256)
        self.assertEqual(other["data"]["splits"]["unlabelled"], 0)
        (phases, others) = ({phase["name"]: phase for phase in one["phases"]} for one in (report, other))
        for name, rows in (("finetune", 512), ("prune", 768), ("recover", 768), ("exits", 512)):
            with self.subTest(name):
                self.assertEqual((phases[name]["rows"], others[name]["rows"]), (rows, 512))
                self.assertEqual(phases[name]["steps"], rows / 512 * others[name]["steps"])
        self.assertEqual(phases["calibrate"]["judged_by"], "agreement with the last layer")
        self.assertEqual(phases["calibrate"]["curve"][0]["metric"], 100)
        self.assertEqual(others["calibrate"]["judged_by"], "labels")
        self.assertGreater(report["compressed"]["metric"]["value"], 80)

    def test_an_int8_artifact_is_smaller_is_served_and_says_what_it_cost(self):
        self.cluster.cli("jobs", "submit", "--base", "dense", "--model", "tiny", "--dataset", "reviews", "--name", "eighth",
                         "--finetune-epochs", 6, "--set", "recipe.finetune.learning_rate=0.003", "--max-length", 32,
                         "--precision", "int8", "--max-drop", 5, "--watch")
        artifact = self.cluster.json("jobs", "get", "eighth")["artifacts"][0].rsplit("/", 1)[1]
        report = self.cluster.json("artifacts", "report", artifact)
        small, exact = report["dense"], report["in_fp32"]
        self.assertEqual((small["precision"], exact["precision"]), ("int8", "fp32"))
        self.assertLess(small["bytes"], exact["bytes"])
        self.assertLess(abs(small["metric"]["value"] - exact["metric"]["value"]), 5)
        self.assertIn("p", report["precision_test"])
        self.assertLessEqual(report["precision_cost"]["low"], report["precision_cost"]["value"])
        self.assertGreater(report["precision_gap"]["agreement"], 90)
        self.assertEqual(report["constraint"]["asked"], 5)
        self.cluster.cli("endpoints", "set", "eighth", artifact)
        wait_for("eighth to be served", lambda: self.cluster.cli("predict", "eighth", "a film", check=False).returncode == 0)
        answers = self.cluster.json("predict", "eighth", *SENTENCES)["predictions"]
        self.assertEqual([answer["label"] for answer in answers], ["positive", "negative", "positive"])
        # Which a plain reader of tensors would take for large numbers.
        self.cluster.cli("artifacts", "download", artifact, self.folder / "eighth")
        self.refused("models", "upload", "eighth", self.folder / "eighth", words=["dtype I8", "artifacts export"])
        for form in ("onnx", "transformers"):
            report = self.cluster.json("artifacts", "export", artifact, self.folder / f"eighth-{form}", "--format", form)
            self.assertRegex(report["notes"][-1], "in int8, written and multiplied as fp32.* by up to about [0-9.]+")
        self.cluster.cli("models", "upload", "eighth", self.folder / "eighth-transformers")

    def test_a_fine_tuned_model_is_published_as_it_is_without_a_data_set(self):
        self.cluster.cli("artifacts", "download", self.dense, self.folder / "dense")
        self.cluster.cli("models", "upload", "tuned", self.folder / "dense")
        self.cluster.cli("artifacts", "create", "--from-model", "tuned", "--name", "plain")
        self.cluster.cli("artifacts", "report", "plain")
        self.assertEqual(self.cluster.json("artifacts", "get", "plain")["weights_sha256"],
                         self.cluster.json("artifacts", "get", self.dense)["weights_sha256"])

    def test_an_artifact_id_that_comes_again_is_served_with_its_new_weights(self):
        def publish(seed):
            self.cluster.cli("jobs", "submit", "--base", "dense", "--model", "tiny", "--dataset", "reviews", "--name", "again",
                             "--finetune-epochs", "1", "--seed", seed, "--watch")
            self.cluster.cli("endpoints", "set", "again", "again")
            wait_for("the endpoint", lambda: self.cluster.cli("predict", "again", "a film", check=False).returncode == 0)
            return self.cluster.json("predict", "again", *SENTENCES)["predictions"]

        first = publish(1)
        for command in ("endpoints", "artifacts", "jobs"):
            self.cluster.cli(command, "delete", "again")
        self.assertNotEqual(publish(2), first)

    def test_a_queued_job_can_be_cancelled(self):
        self.submit("cancelled", "--finetune-epochs", 500)
        wait_for("the job to run", lambda: self.cluster.json("jobs", "get", "cancelled")["state"] == "STATE_RUNNING")
        self.cluster.cli("jobs", "cancel", "cancelled")
        wait_for("the job to stop", lambda: self.cluster.json("jobs", "get", "cancelled")["state"] == "STATE_CANCELLED")

    def test_every_process_serves_metrics_that_name_no_ids(self):
        c = self.cluster
        for admin, word in ((c.control_admin, "espalier_jobs"), (c.worker_admin, "espalier_training"),
                            (c.serve_admin, "espalier_inference")):
            page = c.get(admin, "/metrics")
            self.assertIn(word, page)
            self.assertIn("espalier_build_info", page)
            self.assertNotRegex(page, r'="[^"]*(projects/|reviews|tiny|first)')
            c.get(admin, "/livez")
            c.get(admin, "/readyz")

    def test_methods_are_listed_with_their_options(self):
        methods = self.cluster.json("methods")
        names = {method["name"] for method in methods.get("methods", methods)}
        self.assertLessEqual({"magnitude", "taylor", "soft_labels", "deebert"}, names)

    def test_an_unmodified_tritonclient_and_the_cli_get_the_same_answers(self):
        for model in ("small", "dense"):
            done = subprocess.run([sys.executable, HERE / "tritonclient_test.py", "--address", self.cluster.serve,
                                   "--model", model, "--cli", BIN / "espalier"], capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    # --- what is refused, and how ---

    def submit(self, name, *more, check=True):
        return self.cluster.cli("jobs", "submit", "--model", "tiny", "--dataset", "reviews", "--name", name,
                                "--recipe", self.folder / "recipe.yaml", *more, check=check)

    def submit_refused(self, *more, words):
        self.refused("jobs", "submit", "--model", "tiny", "--dataset", "reviews", "--name", "refused", *more, words=words)

    def test_every_recipe_that_comes_with_espalier_is_accepted(self):
        recipes = sorted((ROOT / "deploy/recipes").glob("*.yaml"))
        self.assertGreater(len(recipes), 3)
        for recipe in recipes:
            teachers = ["--teacher", "dense"] if "teachers:" in recipe.read_text() else []  # for names that users put there
            self.cluster.cli("jobs", "submit", "--model", "tiny", "--dataset", "reviews", "--name",
                             recipe.stem.replace("_", "-"), "--recipe", recipe, *teachers, "--dry-run")

    def test_one_run_publishes_a_model_for_each_milestone_taught_by_two(self):
        self.cluster.cli("artifacts", "download", self.dense, self.folder / "teacher")
        self.cluster.cli("models", "upload", "tiny-teacher", self.folder / "teacher")
        self.submit("family", "--sparsity", 0.6, "--milestone", 0.3, "--pruner", "magnitude", "--pruner-option",
                    "scope=structure", "--distiller", "skdbert", "--teacher", "dense", "--teacher", "tiny-teacher",
                    "--exit", "none", "--exit-epochs", 0, "--watch")
        names = [name.rsplit("/", 1)[1] for name in self.cluster.json("jobs", "get", "family")["artifacts"]]
        self.assertEqual(len(names), 3)
        small, middle, dense = (self.cluster.json("artifacts", "report", name) for name in names)
        self.assertGreaterEqual(small["compressed"]["sparsity"], 0.6 - 1e-9)
        self.assertGreaterEqual(middle["compressed"]["sparsity"], 0.3 - 1e-9)
        self.assertLess(middle["compressed"]["sparsity"], 0.6)
        self.assertEqual(set(small["teachers"]), {"dense", "projects/default/models/tiny-teacher"})
        self.assertEqual(middle["target"]["milestone"], 0.3)
        self.assertEqual(dense["dense"], small["dense"])

    def test_a_model_that_teaches_cannot_be_unknown_or_of_other_labels(self):
        self.refused("jobs", "submit", "--model", "tiny", "--dataset", "reviews", "--name", "refused", "--sparsity", 0.5,
                     "--teacher", "nobody", words=["models/nobody"], code=NOT_FOUND)
        done = self.submit("untaught", "--sparsity", 0.5, "--teacher", "tiny", "--watch", check=False)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("the teacher projects/default/models/tiny", self.cluster.json("jobs", "get", "untaught")["failure"]["message"])

    def test_a_job_may_aim_at_a_speed_up(self):
        self.submit("in-less-time", "--speedup", 1.2, "--set", "recipe.target.speedup.profile.batch=256", "--pruner", "cofi",
                    "--distiller", "layer_match", "--distiller", "soft_labels", "--exit", "none", "--exit-epochs", 0,
                    "--watch")
        report = self.cluster.json("artifacts", "report", "in-less-time")
        target = report["target"]
        self.assertEqual((target["rows"], target["asked"]["speedup"]["factor"]), (256, 1.2))
        self.assertAlmostEqual(target["reached"], target["dense_milliseconds"] / target["milliseconds"], places=6)
        self.assertIn("latency of a batch", self.cluster.cli("artifacts", "report", "in-less-time").stdout)

    def test_an_unknown_method_names_the_known_ones(self):
        self.submit_refused("--sparsity", 0.5, "--pruner", "magnitud", words=["magnitud", "taylor", "magnitude"])

    def test_sparsity_beyond_one_is_refused(self):
        self.submit_refused("--sparsity", 1.5, words=["1.5", "less than 1"])

    def test_an_unknown_model_is_not_found(self):
        self.refused("jobs", "submit", "--model", "nobody", "--dataset", "reviews", "--sparsity", 0.5,
                     words=["models/nobody"], code=NOT_FOUND)

    def bad_model(self, name, spoil):
        folder = self.folder / name
        shutil.copytree(self.model, folder)
        spoil(folder)
        return folder

    def test_a_pickle_is_refused_as_what_it_is(self):
        folder = self.bad_model("pickle", lambda at: (at / "model.safetensors").rename(at / "pytorch_model.bin"))
        self.refused("models", "upload", "pickle", folder, words=["pickle", "safetensors"])

    def test_a_truncated_safetensors_file_is_refused(self):
        def truncate(at):
            data = (at / "model.safetensors").read_bytes()
            (at / "model.safetensors").write_bytes(data[:-1000])
        self.refused("models", "upload", "truncated", self.bad_model("truncated", truncate), words=["model.safetensors"])

    def test_a_header_that_lies_is_refused(self):
        def lie(at):
            data = (at / "model.safetensors").read_bytes()
            shape = re.search(rb'"shape": \[(\d+), 32\]', data)
            grown = data[shape.start():shape.end()].replace(shape.group(1), b"9" * len(shape.group(1)))
            (at / "model.safetensors").write_bytes(data[:shape.start()] + grown + data[shape.end():])
        self.refused("models", "upload", "liar", self.bad_model("liar", lie), words=["model.safetensors"])

    def bad_dataset(self, name, split, old, new):
        folder = self.folder / name
        shutil.copytree(self.dataset, folder)
        table = folder / f"{split}.tsv"
        table.write_text(table.read_text().replace(old, new, 1))
        return folder

    def test_a_missing_column_names_the_columns_found(self):
        folder = self.bad_dataset("columns", "train", "text\tlabel", "sentence\tlabel")
        self.assert_refused(self.cluster.upload_dataset("columns", folder, check=False), words=["text", "sentence", "train.tsv"])

    def test_an_unknown_label_names_the_known_ones(self):
        folder = self.bad_dataset("labels", "select", "\tpositive", "\tsuperb")
        self.assert_refused(self.cluster.upload_dataset("labels", folder, check=False), words=["superb", "positive", "select.tsv"])

    # --- what the inference server says to tensors that it cannot take ---

    def infer_refused(self, code, words, model="small", **changes):
        tensor = {"name": "text", "datatype": "BYTES", "shape": [1], "raw": b"\4\0\0\0good", **changes}
        request = service_pb2.ModelInferRequest(model_name=model)
        request.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
        request.raw_input_contents.append(tensor["raw"])
        with grpc.insecure_channel(self.cluster.serve) as channel, self.assertRaises(grpc.RpcError) as caught:
            service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=10)
        self.assertEqual(caught.exception.code(), code)
        for word in words:
            self.assertIn(word, caught.exception.details())

    def test_an_unknown_served_model_is_not_found(self):
        self.infer_refused(grpc.StatusCode.NOT_FOUND, ["nobody"], model="nobody")

    def test_a_wrong_tensor_name_names_the_right_ones(self):
        self.infer_refused(grpc.StatusCode.INVALID_ARGUMENT, ["txt", "text"], name="txt")

    def test_a_wrong_shape_is_named(self):
        self.infer_refused(grpc.StatusCode.INVALID_ARGUMENT, ["text"], shape=[1, 2, 3])

    def test_a_wrong_byte_length_says_how_many_were_due(self):
        self.infer_refused(grpc.StatusCode.INVALID_ARGUMENT, ["input_ids"], name="input_ids", datatype="INT64",
                           shape=[1, 4], raw=b"\0" * 31)


if __name__ == "__main__":
    unittest.main()
