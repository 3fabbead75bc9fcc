"""Every family with every head against transformers: logits, hidden states and attention maps, at most 1e-5 apart.

Weights are random: tiny models for all combinations, the base shape with one head a family. Ragged batches run
padded, packed (training and serving backend) and with every row alone. A gap is absolute up to values of one and
relative to the largest value above.
"""
import json
import pathlib
import shutil
import tempfile
import unittest

import numpy

from probe import WithEncoder, gap, real_maps, real_rows

TOLERANCE = 1e-5
WORDS = 211
TINY = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 80}
BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
SPREAD = {48: 0.2, 768: 0.04}  # of weights, by hidden size: wide enough that every unit matters
TINY_ROWS, BASE_ROWS = (150, 1, 23, 7), (33, 1, 12)  # tokens; MPNet's buckets end at a distance of 128
TINY_IMAGES, BASE_IMAGES = (None,) * 3, (None,) * 2  # all have the tokens that their model says
HEADS = ("ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering", "ForMaskedLM")

# transformers' class prefix -> what its configuration says besides the sizes.
TEXT = {"Bert": {"max_position_embeddings": 160},
        "Roberta": {"max_position_embeddings": 160, "type_vocab_size": 1, "pad_token_id": 1, "layer_norm_eps": 1e-5},
        # A pad id of its own: positions are counted from behind it.
        "XLMRoberta": {"max_position_embeddings": 160, "type_vocab_size": 1, "pad_token_id": 4, "layer_norm_eps": 1e-5},
        "DistilBert": {"max_position_embeddings": 160},
        "MPNet": {"max_position_embeddings": 160, "pad_token_id": 1},
        "Electra": {"max_position_embeddings": 160}}
IMAGE = {"ViT": {}, "DeiT": {}}
DISTILBERT_KEYS = {"hidden_size": "dim", "num_hidden_layers": "n_layers", "num_attention_heads": "n_heads",
                   "intermediate_size": "hidden_dim"}
# Between the dense layer of a sequence head and its classifier.
ACTIVATIONS = {"DistilBert": "relu", "Electra": "gelu"}


class Case:
    """A model of transformers as a folder, and inputs for it."""

    def __init__(self, family, head, sizes, rows, seed=1, **settings):
        import torch
        import transformers

        self.torch, self.family, self.head, self.rows = torch, family, head, rows
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="espalier-family-"))
        self.random = torch.Generator().manual_seed(seed)
        self.images = family in IMAGE
        sizes = {DISTILBERT_KEYS[key]: value for key, value in sizes.items()} if family == "DistilBert" else dict(sizes)
        settings = {**sizes, **(IMAGE if self.images else TEXT)[family], **settings}
        shard = settings.pop("max_shard_size", "5GB")
        if self.images:
            settings = {"image_size": 32, "patch_size": 8, **settings}
        else:
            settings = {"vocab_size": WORDS, **settings}
        if "Classification" in head:
            settings["num_labels"] = 5
        spread = SPREAD[settings.get("hidden_size") or settings["dim"]]
        config = getattr(transformers, f"{family}Config")(**settings, initializer_range=spread)
        kind = getattr(transformers, family + head)
        torch.manual_seed(seed)
        model = kind(config)
        self.disturb(model)
        model.save_pretrained(self.folder, max_shard_size=shard)
        if not self.images:
            (self.folder / "vocab.txt").write_text("".join(f"w{i}\n" for i in range(WORDS)))
        self.model = kind.from_pretrained(self.folder, attn_implementation="eager").eval()
        self.inputs = self.draw_images(config) if self.images else self.draw_rows(config)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def disturb(self, model):
        """What starts as all ones or all zeros (norms, biases, DeiT's tokens) would hide mistakes."""
        with self.torch.no_grad():
            for name, weight in model.named_parameters():
                if weight.dim() == 1 or not weight.any():
                    norm = weight.dim() == 1 and name.endswith("weight")
                    weight.normal_(1 if norm else 0, 0.2, generator=self.random)

    def draw_images(self, config):
        shape = (len(self.rows), config.num_channels, config.image_size, config.image_size)
        return {"pixel_values": self.torch.empty(shape).normal_(generator=self.random)}

    def draw_rows(self, config):
        shape = (len(self.rows), max(self.rows))
        real = self.torch.arange(shape[1]) < self.torch.tensor(self.rows).unsqueeze(1)
        ids = self.torch.randint(10, WORDS, shape, generator=self.random)  # no pad id among them
        inputs = {"input_ids": ids.where(real, self.torch.tensor(config.pad_token_id)), "attention_mask": real.long()}
        if getattr(config, "type_vocab_size", 1) > 1:
            inputs["token_type_ids"] = self.torch.randint(0, 2, shape, generator=self.random) * real
        return inputs

    def request(self):
        """The same inputs as espalier-encode wants them."""
        if self.images:
            return {"folder": self.folder, "pixels": self.inputs["pixel_values"].numpy()}
        lists = {"ids": self.inputs["input_ids"], "types": self.inputs.get("token_type_ids")}
        return {"folder": self.folder,
                **{name: [row[:n].tolist() for row, n in zip(padded, self.rows)]
                   for name, padded in lists.items() if padded is not None}}

    def run(self, inputs, lengths):
        """What transformers computes, by the names and in the layout of espalier-encode."""
        with self.torch.no_grad():
            out = self.model(**inputs, output_hidden_states=True, output_attentions=True)
        lengths = [out.hidden_states[0].shape[1]] * len(lengths) if self.images else lengths
        found = {f"hidden.{i}": real_rows(x.numpy(), lengths) for i, x in enumerate(out.hidden_states)}
        found |= {f"attention.{i}": real_maps(x.numpy(), lengths) for i, x in enumerate(out.attentions)}
        if "start_logits" in out:
            logits = self.torch.stack([out.start_logits, out.end_logits], -1)
        elif "prediction_logits" in out:
            logits = out.prediction_logits
            found["next_sentence"] = out.seq_relationship_logits.numpy()
        else:
            logits = out.get("logits")
        if logits is not None:
            found["logits"] = real_rows(logits.numpy(), lengths) if logits.dim() == 3 else logits.numpy()
        return found

    def together(self):
        return self.run(self.inputs, self.rows)

    def alone(self):
        """Each row without the others and without padding."""
        found = []
        for i, length in enumerate(self.rows):
            inputs = {name: x[i : i + 1] if self.images else x[i : i + 1, :length] for name, x in self.inputs.items()}
            found.append(self.run(inputs, [length]))
        longest = max(one["attention.0"].shape[-1] for one in found)

        def widened(maps):
            missing = longest - maps.shape[-1]
            return numpy.pad(maps, ((0, 0), (0, 0), (0, missing), (0, missing)))

        return {name: numpy.concatenate([widened(one[name]) if one[name].ndim == 4 else one[name] for one in found])
                for name in found[0]}


class Families(WithEncoder):
    largest = {}  # family -> largest gap seen

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        print("largest gaps to transformers: "
              + ", ".join(f"{family} {size:.1e}" for family, size in cls.largest.items()))

    def furthest(self, ours, theirs, wanted):
        """(gap, name) of the tensor that differs most, among those of the wanted kinds."""
        expected = {name: x for name, x in theirs.items() if name.split(".")[0] in wanted}
        self.assertEqual(sorted(ours), sorted(expected))
        return max((gap(ours[name], expected[name]), name) for name in expected)

    def check(self, case):
        together, alone = case.together(), case.alone()
        every = {name.split(".")[0] for name in together}
        found = {}
        for path, theirs, wanted in (("padded", together, every), ("packed", together, every - {"attention"}),
                                     ("engine", together, every - {"attention"}), ("single", alone, every),
                                     ("single", alone, every - {"attention"})):
            ours = self.encoder.ask(**case.request(), path=path, want=sorted(wanted))
            found[path if path not in found else f"{path}, serving"] = self.furthest(ours, theirs, wanted)
        worst = max(found.values())[0]
        self.largest[case.family] = max(worst, self.largest.get(case.family, 0))
        told = "; ".join(f"{path} {size:.1e} ({name})" for path, (size, name) in found.items())
        self.assertLessEqual(worst, TOLERANCE, f"{case.family}{case.head}, largest gaps: {told}")

    def check_text(self, family, base_head, heads=HEADS, **settings):
        """Tiny models with these heads and the base shape with one of them."""
        for head in heads:
            with self.subTest(head=head), Case(family, head, TINY, TINY_ROWS, **settings) as case:
                self.check(case)
        with self.subTest(head=base_head, shape="base"), Case(family, base_head, BASE, BASE_ROWS) as case:
            self.check(case)

    def test_bert_agrees_with_every_head(self):
        self.check_text("Bert", "ForSequenceClassification", HEADS + ("ForPreTraining",))

    def test_roberta_agrees_with_every_head(self):
        self.check_text("Roberta", "ForTokenClassification")

    def test_xlm_roberta_agrees_with_every_head(self):
        for head in HEADS:  # RoBERTa's base shape
            with self.subTest(head=head), Case("XLMRoberta", head, TINY, TINY_ROWS) as case:
                self.check(case)

    def test_distilbert_agrees_with_every_head(self):
        self.check_text("DistilBert", "ForQuestionAnswering")

    def test_mpnet_agrees_with_every_head(self):
        self.check_text("MPNet", "ForMaskedLM")

    def test_electra_with_a_projection_agrees_with_every_head(self):
        for head in HEADS:
            with self.subTest(head=head), Case("Electra", head, TINY, TINY_ROWS, embedding_size=24) as case:
                self.check(case)

    def test_electra_without_a_projection_agrees_with_every_head(self):
        for head in HEADS:
            with self.subTest(head=head), Case("Electra", head, TINY, TINY_ROWS, embedding_size=48) as case:
                self.check(case)
        with Case("Electra", "ForSequenceClassification", BASE, BASE_ROWS, embedding_size=768) as case:
            self.check(case)

    def check_images(self, family):
        with self.subTest(shape="tiny"), Case(family, "ForImageClassification", TINY, TINY_IMAGES) as case:
            self.check(case)
        with (self.subTest(shape="base"),
              Case(family, "ForImageClassification", BASE, BASE_IMAGES, image_size=64, patch_size=16) as case):
            self.check(case)

    def test_vit_agrees_with_its_head(self):
        self.check_images("ViT")

    def test_deit_agrees_with_its_head(self):
        self.check_images("DeiT")

    def test_other_activations_agree(self):
        for activation in ("gelu_new", "gelu_pytorch_tanh", "relu"):
            with (self.subTest(activation=activation),
                  Case("Bert", "ForMaskedLM", TINY, TINY_ROWS, hidden_act=activation) as case):
                self.check(case)

    def test_weights_in_several_files_agree(self):
        with Case("Bert", "ForSequenceClassification", TINY, TINY_ROWS, max_shard_size="100KB") as case:
            self.assertGreater(len(list(case.folder.glob("model-*.safetensors"))), 2)
            self.check(case)


class FreshHeads(WithEncoder):
    """A checkpoint without a head for labels gets a new one; what it reads must be what transformers' model gives."""

    def check(self, case, mean):
        """classifier(act(pooler(row))) with the new weights; without a pooler the classifier reads the row."""
        torch = case.torch
        encoder = getattr(case.model, case.model.base_model_prefix, case.model)
        with torch.no_grad():
            states = encoder(**case.inputs).last_hidden_state
        if mean:
            mask = case.inputs["attention_mask"].unsqueeze(-1)
            row = (states * mask).sum(1) / mask.sum(1)
        else:
            row = states[:, 0]
        for path in ("packed", "engine", "single"):
            ours = self.encoder.ask(**case.request(), path=path, want=["logits"], fresh=3)
            head = {name.removeprefix("fresh."): torch.from_numpy(x) for name, x in ours.items()}
            self.assertEqual(tuple(head["logits"].shape), (len(case.rows), 3))
            features = row
            if "pooler.weight" in head:
                act = getattr(torch.nn.functional, ACTIVATIONS.get(case.family, "tanh"))
                features = act(torch.nn.functional.linear(row, head["pooler.weight"], head["pooler.bias"]))
            expected = torch.nn.functional.linear(features, head["classifier.weight"], head["classifier.bias"])
            far = gap(ours["logits"], expected.numpy())
            self.assertLessEqual(far, TOLERANCE, f"{case.family}, {path}: logits {far:.1e} apart")

    def test_it_reads_the_first_token(self):
        for family in TEXT:
            with self.subTest(family=family), Case(family, "Model", TINY, TINY_ROWS) as case:
                self.check(case, mean=False)

    def test_it_reads_the_mean_of_the_tokens_where_the_folder_says_so(self):
        for family in ("Bert", "MPNet"):
            with self.subTest(family=family), Case(family, "Model", TINY, TINY_ROWS) as case:
                (case.folder / "1_Pooling").mkdir()
                (case.folder / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
                self.check(case, mean=True)

    def test_it_reads_an_image_s_first_token(self):
        for family, head in (("ViT", "Model"), ("DeiT", "Model"), ("DeiT", "ForImageClassificationWithTeacher")):
            with self.subTest(family=family, head=head), Case(family, head, TINY, TINY_IMAGES) as case:
                self.check(case, mean=False)

    def test_a_pooler_of_the_checkpoint_stays(self):
        with Case("Bert", "Model", TINY, TINY_ROWS) as case:
            ours = self.encoder.ask(**case.request(), path="engine", want=["logits"], fresh=3)
            self.assertEqual(gap(ours["fresh.pooler.weight"], case.model.pooler.dense.weight.detach().numpy()), 0)


if __name__ == "__main__":
    unittest.main()
