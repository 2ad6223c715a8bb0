import shutil
from pathlib import Path

import pytest

from trainers.base import load_base
from trainers.files import JobError
from trainers.merge import merge, save_merged


@pytest.mark.parametrize("form", ["full", "nf4-dequantised"])
def test_merged_model_answers_as_the_adapter(trained_once: Path, base: Path, tmp_path: Path, form: str) -> None:
    import torch
    from peft import PeftModel

    run = trained_once
    plain, _ = load_base(str(base), None, form, "cpu")
    prompt = torch.arange(3, 40)[None]
    with torch.no_grad():
        before = plain(input_ids=prompt).logits
        wanted = PeftModel.from_pretrained(plain, str(run / "adapter"))(input_ids=prompt).logits
        merged, tokenizer = merge(str(base), None, form, run / "adapter")
        assert torch.allclose(merged(input_ids=prompt).logits, wanted, atol=1e-4)
        assert (before - wanted).abs().max() > 0.1, "the adapter does something"
        save_merged(merged.to(torch.bfloat16), base, tmp_path / "merged")
        reloaded, again = load_base(str(tmp_path / "merged"), None, "full", "cpu")
        change = (reloaded(input_ids=prompt).logits - before).flatten()
    asked = [{"role": "user", "content": "how many orders"}]
    assert again.apply_chat_template(asked)["input_ids"] == tokenizer.apply_chat_template(asked)["input_ids"]
    assert torch.nn.functional.cosine_similarity(change, (wanted - before).flatten(), dim=0) > 0.99


def test_damaged_adapter_is_not_merged(trained_once: Path, base: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_once, run)
    (run / "adapter/adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(JobError, match="cannot be merged"):
        merge(str(base), None, "full", run / "adapter")
