"""Losses of latent reasoning, on a Thought.

What counts most in our measurements is that every step is told what it should have come to (`step_ce`), after a warm
start on the same steps written out (`text_ce`).

Knows nothing of models. Imports torch. Letters: b rows, s steps, n tokens, w model width, v vocabulary, m experts.
"""

import torch
from torch import Tensor
from torch.nn import functional

from samespace.reason.thought import Thought

__all__ = ["info_nce", "router_balance", "step_ce", "text_ce", "trajectory"]


def info_nce(queries: Thought, documents: Thought, *, temperature: float = 0.02, anchored: float = 0.0) -> Tensor:
    """Tell each query's document from the others of the batch, and each document's query, by what was read out.

    loss = (ce(S) + ce(S^T)) / 2 with S = cosines / temperature and row i's right column i; and `anchored` times the
    same of the states at the anchor token, which no step has touched.

    Args:
        queries: of b rows; row i belongs to row i of the documents.
        documents: thought about or not (steps=0).
        temperature: > 0.
        anchored: weight of the anchors, >= 0; PLUME takes 1.

    Returns:
        scalar in nats: 0 when all are told apart surely, log(b) (and `anchored` log(b)) when all score alike.

    Raises:
        ValueError: anchors are asked for and a side was thought about without an anchor token.

    Reference: He et al., PLUME, arXiv:2604.02073, eq. 7 and 8.
    """
    loss = _both_ways(queries.embedding, documents.embedding, temperature)
    if not anchored:
        return loss
    if queries.anchor is None or documents.anchor is None:
        raise ValueError("no anchors\nThink with Latent(..., anchor=the id of a token of the prompt), on both sides")
    return loss + anchored * _both_ways(queries.anchor, documents.anchor, temperature)


def step_ce(thought: Thought, targets: Tensor) -> Tensor:
    """Tell each step what it should say: cross-entropy of state k with target k.

    State 0 is the one before the first step, so that with s steps up to s+1 targets fit.

    Args:
        thought: of b rows.
        targets: (b, n) token ids, -100 where there is none; or (b, n, v), probabilities over the vocabulary.

    Returns:
        scalar in nats: 0 when every step says it surely; log(v) when it knows nothing.

    Raises:
        ValueError: more targets than states.
    """
    n = targets.shape[1]
    if n > thought.states.shape[1]:
        raise ValueError(f"{n} targets for {thought.states.shape[1]} states\nThink with steps >= {n - 1}")
    logits = thought.backbone.logits(thought.states[:, :n]).flatten(0, 1)
    return functional.cross_entropy(logits, targets.flatten(0, 1))


def text_ce(thought: Thought, ids: Tensor) -> Tensor:
    """Cross-entropy of the tail's own tokens: what stays written out while the rest is thought.

    Args:
        thought: of b rows; the same number of tokens is read after its steps in each.
        ids: (b, n) of those tokens, -100 where one is not to be learned.

    Returns:
        scalar in nats. The first token is predicted by the state after the last step, each further one by the token
        before it.
    """
    assert thought.ending is not None
    rows = torch.arange(len(ids), device=ids.device)
    before = torch.cat([thought.states[rows, thought.used].unsqueeze(1), thought.ending[:, :-1]], 1)
    return functional.cross_entropy(thought.backbone.logits(before).flatten(0, 1), ids.flatten())


def trajectory(thought: Thought, teacher: Tensor) -> Tensor:
    """Keep the states near a teacher's: smooth L1, in standard deviations of the teacher.

    loss = mean over steps of smooth_l1(state_k, teacher_k) / std(teacher_k), no gradient to the teacher.

    Args:
        thought: of b rows.
        teacher: (b, n, w), n <= s+1: what the states should be, from the first on; such as those of the same model
            where the steps are written out.

    Returns:
        scalar >= 0; about .4 for states that are unrelated and of equal spread.

    Raises:
        ValueError: more teacher states than states.

    Reference: Shen et al., CODI, arXiv:2502.21074, eq. 3, there over layers at one token; over steps as in LaSER,
    arXiv:2603.01425.
    """
    n = teacher.shape[1]
    if n > thought.states.shape[1]:
        raise ValueError(f"{n} teacher states for {thought.states.shape[1]} states\nThink with steps >= {n - 1}")
    fixed = teacher.detach().float()
    spread = fixed.std(dim=(0, 2), keepdim=True).clamp(min=1e-6)
    return functional.smooth_l1_loss(thought.states[:, :n].float() / spread, fixed / spread)


def router_balance(routing: Tensor) -> Tensor:
    """Keep all experts in use over a batch, while each row may prefer some.

    loss = mean over m of (mean over b, s of chances_m - 1/m)^2

    Args:
        routing: (b, s, m), rows summing to 1: `Thought.routing`.

    Returns:
        scalar from 0 (even) to (m - 1) / m^2 (one expert for everything).

    Reference: He et al., PLUME, arXiv:2604.02073, eq. 9. Its code takes one row at a time, which punishes preference.
    """
    return (routing.mean(dim=(0, 1)) - 1 / routing.shape[-1]).square().mean()


def _both_ways(queries: Tensor, documents: Tensor, temperature: float) -> Tensor:
    both = (functional.normalize(rows.float(), dim=-1) for rows in (queries, documents))
    scores = next(both) @ next(both).T / temperature
    right = torch.arange(len(scores), device=scores.device)
    return (functional.cross_entropy(scores, right) + functional.cross_entropy(scores.T, right)) / 2
