"""Makes the .bin files of this folder and expected.json, with torch.save of PyTorch 2.15.0:

    python make.py        # in a virtual environment that has torch

expected.json lists, for each file and tensor, its type, shape and elements.
"""

import collections
import json
import pathlib
import zipfile

import torch

here = pathlib.Path(__file__).parent
expected = {}


def save(name, state, **kwargs):
    path = here / name
    torch.save(state, path, **kwargs)
    again = torch.load(path, weights_only=False)  # weights_only knows protocols up to 3; these files are our own
    expected[name] = {
        key: {
            "dtype": str(t.dtype).removeprefix("torch."),
            "shape": list(t.shape),
            "data": t.detach().double().flatten().tolist(),
        }
        for key, t in again.items()
    }


def model():
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Embedding(3, 2))


# As models save themselves: an OrderedDict with _metadata, integers beside floats.
for protocol in (2, 3, 4, 5):
    save(f"state_dict_{protocol}.bin", model().state_dict(), pickle_protocol=protocol)

# Parameters in a plain dict, one with an attribute.
parameters = dict(model().named_parameters())
parameters["0.weight"].ours = 1
save("parameters.bin", parameters)

values = torch.tensor([[1.0, -2.5, 3.25, 0.0], [65504.0, 6e-8, -0.1, 1e-3], [5.0, 6.0, 7.0, 8.0]])
for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
    save(f"{str(dtype).removeprefix('torch.')}.bin", collections.OrderedDict(a=values.to(dtype), scalar=torch.tensor(1.5, dtype=dtype)))

# One storage behind several tensors.
cube = torch.arange(24.0).reshape(2, 3, 4)
save(
    "views.bin",
    {
        "whole": cube,
        "tied": cube,
        "transposed": cube[1].t(),
        "permuted": cube.permute(2, 0, 1),
        "rows": cube[:, 1:],
        "steps": cube[:, ::2, 1::2],
        "column": cube[0, :, 3],
        "element": cube[1, 2, 3],
        "empty": cube[:, 3:],
        "expanded": torch.tensor([[1.0], [2.0]]).expand(2, 3),
        "windows": torch.arange(5.0).unfold(0, 3, 1),
    },
)

# Without the records that versions before 2.1 did not write.
old = zipfile.ZipFile(here / "state_dict_2.bin")
with zipfile.ZipFile(here / "older.bin", "w", zipfile.ZIP_STORED) as new:
    for entry in old.infolist():
        root, name = entry.filename.split("/", 1)
        if name in ("data.pkl", "version") or name.startswith("data/"):
            new.writestr("archive/" + name, old.read(entry))
torch.load(here / "older.bin", weights_only=True)
expected["older.bin"] = expected["state_dict_2.bin"]

# Two shards with their index.
state = model().state_dict()
names = sorted(state)
weight_map = {}
for i, part in enumerate((names[:4], names[4:]), 1):
    file = f"sharded-{i:05}-of-00002.bin"
    torch.save({n: state[n] for n in part}, here / file)
    weight_map |= {n: file for n in part}
(here / "sharded.bin.index.json").write_text(json.dumps({"metadata": {"total_size": 0}, "weight_map": weight_map}, indent=1) + "\n")

# Forms that are not read.
torch.save({"a": torch.zeros(1)}, here / "legacy.bin", _use_new_zipfile_serialization=False)
torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), here / "script.bin")

lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(tensors)}" for name, tensors in expected.items())
(here / "expected.json").write_text("{\n" + lines + "\n}\n")
