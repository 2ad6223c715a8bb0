import json
import shutil
from pathlib import Path

import pytest

from trainers.base import keep_gradients, load_base, load_for_training, resolve_base
from trainers.files import JobError


def outputs(model: object) -> object:
    import torch

    with torch.no_grad():
        return model(input_ids=torch.arange(3, 40)[None]).logits  # type: ignore[operator]


def test_dequantised_base_is_what_training_saw(base: Path) -> None:
    import torch

    trained_on, _ = load_for_training(str(base), None, "nf4", "cpu")
    served, _ = load_base(str(base), None, "nf4-dequantised", "cpu")
    full, _ = load_base(str(base), None, "full", "cpu")
    assert torch.allclose(outputs(trained_on), outputs(served), atol=1e-5)
    assert not torch.allclose(outputs(full), outputs(served), atol=1e-3)


def test_no_four_bit_code_answers(base: Path) -> None:
    import torch

    model, _ = load_base(str(base), None, "nf4-dequantised", "cpu")
    kinds = {type(module).__module__.split(".")[0] for module in model.modules()}
    assert "bitsandbytes" not in kinds
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not model.training


def test_quantised_training_base_stays_unpacked(base: Path) -> None:
    model, _ = load_for_training(str(base), None, "nf4", "cpu")
    keep_gradients(model)
    outputs(model.eval())
    packed = [m for m in model.modules() if hasattr(getattr(m, "weight", None), "quant_state")]
    assert packed
    assert not any(getattr(m.weight.quant_state, "packing_format_for_cpu", False) for m in packed)


def broken(base: Path, folder: Path, kind: str) -> Path:
    shutil.copytree(base, folder)
    if kind == "pickle":
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    elif kind == "code":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "evil.Model"}}))
    elif kind == "adapter":
        (folder / "adapter_config.json").write_text("{}")
    elif kind == "cut":
        data = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    elif kind == "silent":
        (folder / "chat_template.jinja").unlink()
    elif kind == "no config":
        (folder / "config.json").unlink()
    return folder


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("pickle", "no safetensors weights"),
        ("code", "needs code of its own"),
        ("adapter", "is an adapter"),
        ("cut", "cut short"),
        ("silent", "no chat template"),
        ("no config", "has no config.json"),
    ],
)
def test_unfit_base_is_refused_in_words(base: Path, tmp_path: Path, kind: str, said: str) -> None:
    folder = broken(base, tmp_path / "broken", kind)
    with pytest.raises(JobError, match=said):
        load_base(str(folder), None, "full", "cpu")


def test_uncached_hub_id_says_how_to_fetch_it() -> None:
    with pytest.raises(JobError, match=r"Fetch it first: `hf download nobody/nothing --revision abc`"):
        resolve_base("nobody/nothing", "abc")


def test_unknown_base_form_is_named(base: Path) -> None:
    with pytest.raises(JobError, match="`base_form` is `int8`"):
        load_base(str(base), None, "int8")
