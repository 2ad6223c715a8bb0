"""The structured start copies from the first step."""

import torch

from starter import train

VOCABULARY, LENGTH = 400, 20


def test_fresh_heads_look_one_and_two_tokens_back() -> None:
    model = train.new_model(VOCABULARY, eos=2, pad=0, seed=3)
    model.set_attn_implementation("eager")
    ids = torch.randperm(VOCABULARY)[:LENGTH].unsqueeze(0)
    with torch.no_grad():
        attention = model(ids, output_attentions=True).attentions[0][0]
    for head, back in ((0, 1), (1, 1), (2, 2), (3, 2)):
        assert all(float(attention[head, place, place - back]) > 0.9 for place in range(5, LENGTH))


def test_fresh_heads_find_what_followed_before() -> None:
    model = train.new_model(VOCABULARY, eos=2, pad=0, seed=3)
    model.set_attn_implementation("eager")
    seen = torch.randperm(VOCABULARY)[:LENGTH]
    with torch.no_grad():
        attention = model(torch.cat([seen, seen]).unsqueeze(0), output_attentions=True).attentions[1][0]
    place = LENGTH + LENGTH // 2
    assert max(float(attention[head, place, place - LENGTH + 1]) for head in range(4)) > 0.5


def test_rate_holds_then_falls_to_nothing() -> None:
    assert [train.share_of_rate(done, 0.5) for done in (0.0, 0.49, 0.75)] == [1.0, 1.0, 0.5]
    assert train.share_of_rate(0.999, 0.5) < 0.01


@torch.no_grad()
def test_loss_covers_the_answer_alone() -> None:
    model = train.new_model(VOCABULARY, eos=2, pad=0, seed=3)
    ids = torch.randint(3, VOCABULARY, (1, 8))
    labels = torch.full_like(ids, train.IGNORED)
    labels[0, 5:] = ids[0, 5:]
    expected = torch.nn.functional.cross_entropy(model(ids).logits[0, 4:7], ids[0, 5:])
    assert abs(float(train.loss_of(model, train.Batch(ids, labels))) - float(expected)) < 0.1
