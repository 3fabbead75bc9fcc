"""Exported artifacts compute what we compute: the ONNX file in onnxruntime and the folder in transformers, against
espalier-encode and against what is served, at most 1e-4 apart; and the doors that must not open."""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy
import onnx
import onnxruntime
import random_artifact
import tiny
from cluster import BIN, Cluster, wait_for
from probe import WithEncoder, gap, real_rows
from random_artifact import EVERY_HEAD, FAMILIES, FULL, IMAGES, NEURONS, PRUNED
from safetensors.numpy import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench/serving"))
from narrow import narrowed  # noqa: E402

TOLERANCE = 1e-4
REFUSED = 4  # exit code of the CLI
HEADS = ("sequence", "token", "span", "masked_lm")


def classes_of(head):
    return {"span": 2, "masked_lm": 0}.get(head, 3)


def run_onnx(path, inputs, outputs=None):
    """Output name -> values."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = outputs or [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def run_transformers(folder, inputs):
    """The same by the class that config.json names; no weight may be missing or too many."""
    import torch
    import transformers

    [name] = json.loads((folder / "config.json").read_text())["architectures"]
    model, found = getattr(transformers, name).from_pretrained(folder, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not found[kind], f"{name}: {kind} {found[kind]}"
    with torch.no_grad():
        out = model.eval()(**{name: torch.from_numpy(x) for name, x in inputs.items()})
    found = {name: x.numpy() for name, x in out.items()}
    if "prediction_logits" in found:  # BertForPreTraining's names
        found = {"logits": found["prediction_logits"], "next_sentence_logits": found["seq_relationship_logits"]}
    return found


class Exports(WithEncoder):
    """Artifacts with random weights, exported from their folders: no service is running."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="espalier-export-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.written = 0

    def artifact(self, family, head="sequence", **shape):
        self.written += 1
        shape.setdefault("classes", classes_of(head))
        return random_artifact.write(self.folder / f"artifact-{self.written}", family, head, **shape)

    def export(self, artifact, form, *flags, check=True, to=None):
        to = to or self.folder / f"{artifact.name}-{form}"
        done = subprocess.run([BIN / "espalier", "artifacts", "export", artifact, to, "--format", form, "--output", "json",
                               *flags], text=True, capture_output=True)
        if not check:
            return done
        self.assertEqual(done.returncode, 0, done.stderr)
        return to, json.loads(done.stdout)

    def refused(self, artifact, form, *flags, words, to=None):
        done = self.export(artifact, form, *flags, check=False, to=to)
        self.assertEqual(done.returncode, REFUSED, done.stdout + done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def expected(self, artifact, inputs, lengths, wanted=("logits",)):
        """espalier-encode's answer to padded inputs."""
        if lengths is None:
            request = {"pixels": inputs["pixel_values"]}
        else:
            cut = {"ids": "input_ids", "types": "token_type_ids"}
            request = {ours: [row[:n].tolist() for row, n in zip(inputs[theirs], lengths)]
                       for ours, theirs in cut.items() if theirs in inputs}
        return self.encoder.ask(folder=artifact, path="engine", want=list(wanted), **request)

    def compare(self, what, found, ours, lengths):
        if "start_logits" in found:
            found = {"logits": numpy.stack([found["start_logits"], found["end_logits"]], -1)}
        logits = found["logits"]
        logits = real_rows(logits, lengths) if logits.ndim == 3 else logits
        self.assertLessEqual(gap(ours["logits"], logits), TOLERANCE, what)
        if "next_sentence" in ours:
            self.assertLessEqual(gap(ours["next_sentence"], found["next_sentence_logits"]), TOLERANCE, what)

    def check_onnx(self, artifact, family, wanted=("logits",)):
        inputs, lengths = random_artifact.rows(family)
        folder, report = self.export(artifact, "onnx")
        onnx.checker.check_model(folder / "model.onnx", full_check=True)
        self.assertEqual(sorted(report["inputs"]), sorted(inputs))
        self.compare(f"onnx, {family}", run_onnx(folder / "model.onnx", inputs),
                     self.expected(artifact, inputs, lengths, wanted), lengths)

    def check_transformers(self, artifact, family, wanted=("logits",)):
        """Returns what the export says about zeros and the like."""
        inputs, lengths = random_artifact.rows(family)
        folder, report = self.export(artifact, "transformers")
        self.compare(f"transformers, {family}", run_transformers(folder, inputs),
                     self.expected(artifact, inputs, lengths, wanted), lengths)
        return report["notes"]

    def check(self, artifact, family, wanted=("logits",)):
        self.check_onnx(artifact, family, wanted)
        return self.check_transformers(artifact, family, wanted)

    # --- shapes ---

    def test_every_family_and_head_agrees_with_its_layers_pruned(self):
        for family in FAMILIES:
            for head in ("sequence",) if family in IMAGES else HEADS:
                with self.subTest(family=family, head=head):
                    notes = self.check(self.artifact(family, head, layers=PRUNED), family)
                    self.assertEqual(notes, [
                        "layer 0: 2 of 4 heads and 48 of 80 neurons are the artifact's, the others are zeros",
                        "layer 1: 4 of 4 heads and 7 of 80 neurons are the artifact's, the others are zeros",
                        "layer 2: 1 of 4 heads and 80 of 80 neurons are the artifact's, the others are zeros"])

    def test_a_dense_artifact_has_nothing_to_note(self):
        for family in ("bert", "mpnet", "deit"):
            with self.subTest(family=family):
                self.assertEqual(self.check(self.artifact(family), family), [])

    def test_next_sentences_are_followed(self):
        self.check(self.artifact("bert", "masked_lm", classes=2), "bert", ("logits", "next_sentence"))

    def test_other_activations_agree(self):
        for activation in ("gelu_new", "relu"):
            with self.subTest(activation=activation):
                self.check(self.artifact("bert", "masked_lm", activation=activation), "bert")

    def test_factored_layers_agree(self):
        factored = {"layers.0.attention.query": 5, "layers.1.ffn.up": 9, "layers.2.ffn.down": 6}
        notes = self.check(self.artifact("bert", factored=factored), "bert")
        self.assertEqual(notes, ["stored as two factors, here multiplied: " + ", ".join(sorted(factored))])

    def test_sub_layers_that_are_gone_are_zeros_where_norms_stand_before_them(self):
        self.check(self.artifact("vit", layers=(((), NEURONS), (EVERY_HEAD, 0), ((), 0), ((1, 2), 20))), "vit")

    def test_sub_layers_that_are_left_meet_in_a_layer_where_norms_stand_behind_them(self):
        notes = self.check(self.artifact("bert", layers=((EVERY_HEAD, 0), ((), 0), ((), 30), ((1,), 5))), "bert")
        self.assertEqual(notes[0], "2 layers hold the sub-layers that are left of 4")

    def test_half_a_layer_of_a_post_norm_model_is_onnx_s_alone(self):
        artifact = self.artifact("bert", layers=((EVERY_HEAD, 0), (EVERY_HEAD, NEURONS)))
        self.check_onnx(artifact, "bert")
        self.refused(artifact, "transformers", words=["layer 0", "norm behind every sub-layer", "onnx"])

    def test_pruned_hidden_units_are_onnx_s_alone(self):
        for family in ("bert", "vit"):
            with self.subTest(family=family):
                artifact = self.artifact(family, hidden=40)
                self.check_onnx(artifact, family)
                self.refused(artifact, "transformers", words=["hidden size is 40", "onnx"])

    def test_the_mean_over_tokens_is_onnx_s_alone(self):
        artifact = self.artifact("mpnet", pooling="mean")
        self.check_onnx(artifact, "mpnet")
        self.refused(artifact, "transformers", words=["pooling", "mean", "MPNetForSequenceClassification"])

    # --- exits ---

    def test_exits_are_outputs_where_they_are_asked_for(self):
        for family in ("bert", "vit"):
            with self.subTest(family=family):
                artifact = self.artifact(family, exits=(0, 1, 2))  # the last layer's is never asked
                inputs, lengths = random_artifact.rows(family)
                folder, report = self.export(artifact, "onnx", "--exits")
                onnx.checker.check_model(folder / "model.onnx", full_check=True)
                self.assertEqual(report["outputs"], ["exit_logits_1", "exit_logits_2", "logits"])
                found = run_onnx(folder / "model.onnx", inputs)
                self.compare("full depth", found, self.expected(artifact, inputs, lengths), lengths)
                for number in (1, 2):
                    self.assertLessEqual(gap(found[f"exit_logits_{number}"],
                                             self.exit_logits(artifact, inputs, lengths, number)), TOLERANCE)

    def exit_logits(self, artifact, inputs, lengths, number):
        """By hand: classifier(tanh(pooler(first token of the layer's output)))."""
        weights = load_file(artifact / "model.safetensors")
        hidden = self.expected(artifact, inputs, lengths, ("hidden",))[f"hidden.{number}"]
        lengths = lengths or [len(hidden) // len(inputs["pixel_values"])] * len(inputs["pixel_values"])
        row = hidden[numpy.cumsum([0, *lengths[:-1]])]
        if "final_norm.weight" in weights:
            row = (row - row.mean(-1, keepdims=True)) / numpy.sqrt(row.var(-1, keepdims=True) + 1e-12)
            row = row * weights["final_norm.weight"] + weights["final_norm.bias"]
        for name, act in ((f"exits.{number - 1}.pooler", numpy.tanh), (f"exits.{number - 1}.classifier", lambda x: x)):
            row = act(row @ weights[f"{name}.weight"].T + weights[f"{name}.bias"])
        return row

    def test_a_model_can_be_cut_at_an_exit(self):
        inputs, _ = random_artifact.rows("bert")
        folder, _ = self.export(self.artifact("bert", exits=(0,)), "onnx", "--exits")
        whole = folder / "model.onnx"
        onnx.utils.extract_model(whole, folder / "first.onnx", list(inputs), ["exit_logits_1", "hidden_states_1"])
        onnx.utils.extract_model(whole, folder / "rest.onnx", ["hidden_states_1", "attention_mask"], ["logits"])
        first, expected = run_onnx(folder / "first.onnx", inputs), run_onnx(whole, inputs)
        rest = run_onnx(folder / "rest.onnx", {"hidden_states_1": first["hidden_states_1"],
                                               "attention_mask": inputs["attention_mask"]})
        self.assertLessEqual(gap(first["exit_logits_1"], expected["exit_logits_1"]), TOLERANCE)
        self.assertLessEqual(gap(rest["logits"], expected["logits"]), TOLERANCE)

    def test_exits_that_are_left_out_are_noted(self):
        artifact = self.artifact("bert", exits=(0,))
        for form in ("onnx", "transformers"):
            _, report = self.export(artifact, form)
            self.assertIn("exits are left out", report["notes"][0])

    # --- precisions ---

    def test_an_artifact_in_int8_is_exported_with_its_values_in_fp32(self):
        factored = {"layers.0.attention.query": 5}
        exact, narrow = (self.artifact("bert", layers=PRUNED, factored=factored) for _ in range(2))
        stored, values = narrowed(load_file(exact / "model.safetensors"), "int8")
        save_file(values, exact / "model.safetensors", metadata={"format": "pt"})
        save_file(stored, narrow / "model.safetensors", metadata={"format": "pt"})
        save_file({"slack": numpy.array([0.25])}, narrow / "golden.safetensors")
        spec = json.loads((narrow / "espalier.json").read_text())
        (narrow / "espalier.json").write_text(json.dumps(spec | {"format": 2, "precision": "int8"}))
        inputs, lengths = random_artifact.rows("bert")
        ours = self.expected(exact, inputs, lengths)  # products of floats
        for form, run, path in (("onnx", run_onnx, "model.onnx"), ("transformers", run_transformers, "")):
            with self.subTest(form):
                folder, report = self.export(narrow, form)
                self.compare(form, run(folder / path, inputs), ours, lengths)
                self.assertIn("differ from these by up to about 0.25", report["notes"][-1])

    # --- doors ---

    def test_what_cannot_be_done_is_refused(self):
        artifact = self.artifact("bert")
        self.refused(artifact, "onnx", "--exits", words=["has no exits"])
        self.refused(artifact, "transformers", "--exits", words=["onnx only"])
        self.refused(artifact, "onnx", to=artifact, words=["no empty folder"])
        (artifact / "model.safetensors").write_bytes(b"short")
        self.refused(artifact, "onnx", words=["model.safetensors"])
        self.assertEqual([path.name for path in self.folder.iterdir()], [artifact.name])  # nothing half-whole


RECIPE = """
target: {sparsity: 0.5}
finetune: {epochs: 1, learning_rate: 0.003}
prune: {epochs: 1, learning_rate: 0.002}
recover: {epochs: 0.5, learning_rate: 0.002}
exits: {epochs: 0.5, learning_rate: 0.003}
max_length: 32
"""


class Published(unittest.TestCase):
    """Artifacts of jobs, dense and pruned, against what the endpoint answers."""

    def served(self, cluster, endpoint, inputs, **parameters):
        import tritonclient.grpc as triton

        tensors = []
        for name, values in inputs.items():
            tensors.append(triton.InferInput(name, values.shape, "INT64"))
            tensors[-1].set_data_from_numpy(values)
        with triton.InferenceServerClient(cluster.serve) as client:
            return client.infer(endpoint, tensors, parameters=parameters).as_numpy("logits")

    def test_a_job_s_artifacts_answer_in_other_runtimes_as_they_do_here(self):
        random = numpy.random.default_rng(1)
        mask = (numpy.arange(20) < numpy.array([[20], [3], [11]])).astype(numpy.int64)
        inputs = {"input_ids": random.integers(5, len(tiny.VOCABULARY), mask.shape) * mask, "attention_mask": mask}
        typed = {**inputs, "token_type_ids": numpy.zeros_like(mask)}
        with Cluster() as cluster:
            cluster.cli("models", "upload", "tiny", tiny.write_model(cluster.folder / "model"))
            cluster.upload_dataset("reviews", tiny.write_dataset(cluster.folder / "reviews", train=128))
            (cluster.folder / "recipe.yaml").write_text(RECIPE)
            cluster.cli("jobs", "submit", "--model", "tiny", "--dataset", "reviews", "--name", "first",
                        "--recipe", cluster.folder / "recipe.yaml", "--watch")
            pruned, dense = (name.rsplit("/", 1)[1] for name in cluster.json("jobs", "get", "first")["artifacts"])
            for artifact, exits in ((dense, []), (pruned, ["--exits"])):
                cluster.cli("endpoints", "set", artifact, artifact)
                wait_for(f"{artifact} to be served",
                         lambda: cluster.cli("predict", artifact, "a film", check=False).returncode == 0)
                folder = cluster.folder / "exported" / artifact
                report = cluster.json("artifacts", "export", artifact, folder / "onnx", *exits)
                cluster.cli("artifacts", "export", artifact, folder / "plain", "--format", "transformers")
                self.assertEqual(sorted(path.name for path in folder.iterdir()), ["onnx", "plain"])
                for name in ("onnx", "plain"):
                    self.assertTrue((folder / name / "vocab.txt").is_file())
                found = run_onnx(folder / "onnx/model.onnx", typed)
                # An entropy is never below 0: nobody leaves early.
                depth = {"exit_threshold": 0} if exits else {}
                ours = self.served(cluster, artifact, inputs, **depth)
                self.assertLessEqual(gap(found["logits"], ours), TOLERANCE)
                self.assertLessEqual(gap(run_transformers(folder / "plain", typed)["logits"], ours), TOLERANCE)
                for name in report["outputs"][:-1]:
                    layer = int(name.removeprefix("exit_logits_"))
                    self.assertLessEqual(gap(found[name], self.served(cluster, artifact, inputs, max_exit_layer=layer,
                                                                      **depth)), TOLERANCE)


if __name__ == "__main__":
    unittest.main()
