"""CoFi's released modules, imported from a folder that stays as it is.

What does not run on a model that is not 12 layers deep, or with packages of today, is put right while a module is read; a
line that is not there as it was released is an error.
"""
import importlib
import importlib.abc
import importlib.machinery
import pathlib
import sys
import types

# What they import and a training step does not use.
UNUSED = {"black": ["main"], "wandb": [], "datasets": ["Dataset"]}


def edits(layers):
    """Of each module the released words and ours: their layers are written for 12, of which every quarter's last teaches."""
    teaching = [(quarter * layers + 2) // 4 - 1 for quarter in range(1, 5)]
    return {"trainer.trainer": {"[2, 5, 8, 11]": str(teaching), "last_aligned_layer = 12": f"last_aligned_layer = {layers}"}}


class EditingLoader(importlib.machinery.SourceFileLoader):
    def __init__(self, name, path, replaced):
        super().__init__(name, path)
        self.replaced = replaced

    def get_code(self, fullname):  # without the cached bytecode, which would be of the released words
        text = pathlib.Path(self.path).read_text()
        for old, new in self.replaced.items():
            if text.count(old) != 1:
                raise ImportError(f"{self.path}: {old!r} stands there {text.count(old)} times; this is not the released code")
            text = text.replace(old, new)
        return compile(text, self.path, "exec")


class Finder(importlib.abc.MetaPathFinder):
    def __init__(self, folder, replaced):
        self.folder, self.replaced = folder, replaced

    def find_spec(self, fullname, path=None, target=None):
        if fullname not in self.replaced:
            return None
        file = str(self.folder.joinpath(*fullname.split(".")).with_suffix(".py"))
        return importlib.machinery.ModuleSpec(fullname, EditingLoader(fullname, file, self.replaced[fullname]), origin=file)


def load(folder, layers):
    """Their modules by name."""
    sys.dont_write_bytecode = True
    import transformers
    import transformers.file_utils
    transformers.file_utils.hf_bucket_url = transformers.file_utils.cached_path = None  # gone, and only for downloads
    for name, members in UNUSED.items():
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        module.__dict__.update(dict.fromkeys(members))
        sys.modules[name] = module
    sys.meta_path.insert(0, Finder(folder, edits(layers)))
    sys.path.insert(0, str(folder))
    return {name: importlib.import_module(name)
            for name in ("args", "models.l0_module", "models.modeling_bert", "trainer.trainer", "utils.cofi_utils")}
