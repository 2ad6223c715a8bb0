from pathlib import Path

import pytest

from tests.support.tiny import chat_row
from tests.trainers.conftest import ROWS, MakeRun
from trainers import base as bases
from trainers import sft
from trainers.job import read_job
from trainers.program import Stop


def test_compact_head_gives_the_stock_loss(make_run: MakeRun) -> None:
    import torch
    from trl import SFTTrainer

    run = make_run(rows=[*ROWS, chat_row("how", "select " * 40)], batch_size=13)
    job = read_job(run)
    lessons = sft.prepare_lessons(run, job, bases.load_tokenizer(Path(job.base)))
    trainer = sft.build_trainer(run, job, lessons, Stop(run), "cpu")
    for parameter in trainer.model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.05)
    batch = next(iter(trainer.get_train_dataloader()))
    losses, gradients = [], []
    for compute in (SFTTrainer.compute_loss, type(trainer).compute_loss):
        trainer.model.zero_grad()
        loss = compute(trainer, trainer.model, dict(batch))
        loss.backward()
        losses.append(loss.item())
        gradients.append(torch.cat([p.grad.flatten() for p in trainer.model.parameters() if p.requires_grad]))
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)
    assert torch.nn.functional.cosine_similarity(*gradients, dim=0) > 0.9999
    assert gradients[0].norm().item() == pytest.approx(gradients[1].norm().item(), rel=1e-3)


def test_lessons_are_those_of_trl(make_run: MakeRun, tmp_path: Path) -> None:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    run = make_run(max_steps=3, batch_size=4)
    job = read_job(run)
    tokenizer = bases.load_tokenizer(Path(job.base))
    stock = SFTTrainer(
        model=job.base,
        args=SFTConfig(str(tmp_path / "stock"), use_cpu=True, bf16=False, gradient_checkpointing=False, report_to=[]),
        train_dataset=Dataset.from_list(ROWS),
        processing_class=tokenizer,
    )
    lessons = sft.prepare_lessons(run, job, tokenizer)
    assert [lesson.input_ids for lesson in lessons.train] == list(stock.train_dataset["input_ids"])
    assert [lesson.labels for lesson in lessons.train] == list(stock.train_dataset["labels"])
