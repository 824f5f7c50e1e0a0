"""Wording: a text with its role's prompt, in the recipe's template, as token ids within the limit.

What is cut is always the end of the item's own text: never the prompt, never a picture's run of tokens, never what the
template says after the text, never the terminal token.

Knows nothing of models; of tokenizers only what transformers' fast ones have in common. Imports nothing heavy.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from samespace.encode.protocol import Role
from samespace.encode.recipe import Recipe
from samespace.errors import RecipeError

__all__ = ["Wording"]

_SLOT = re.compile(r"\{(prompt|instruction|image|image_pad|text)\}")
_LETTERS_PER_TOKEN = 64  # more text than this many letters a token cannot reach the model; not worth tokenizing


@dataclass(frozen=True)
class Wording:
    """One tokenizer used by one Recipe.

    Attributes:
        tokenizer: a fast tokenizer of transformers.
        recipe: whose prompts, template, limit and terminal it follows.
        model: its name, for errors.
        reserved: token strings that mean something to the model and must not come out of an item's text.
    """

    tokenizer: Any
    recipe: Recipe
    model: str
    reserved: tuple[str, ...] = ()
    terminal: int | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "terminal", self._terminal())
        template = self.recipe.template
        if template is not None and "{text}" not in template:
            raise RecipeError(
                self.model, f"the template {template!r} has no {{text}}", "Say where the text goes: {text}"
            )

    def ids(self, text: str, role: Role, pictures: tuple[str, ...] = ()) -> list[int]:
        """Token ids of a text, special tokens included, at most `recipe.max_tokens` of them.

        Args:
            text: of the item.
            role: whose prompt it gets.
            pictures: one string a picture, the tokens that stand for it, without wrapping.

        Raises:
            RecipeError: prompt, template and pictures alone are longer than the limit.
        """
        head, body, tail = self._render(text, role, pictures)
        limit = self.recipe.max_tokens
        if not tail and not pictures:
            made = self.tokenizer(head + body, truncation=True, max_length=limit, verbose=False)["input_ids"]
        else:
            made = self._fit(head, body, tail, limit)
        return self._close(list(made), limit)

    def _fit(self, head: str, body: str, tail: str, limit: int) -> list[int]:
        """Shorten body until head + body + tail fit, by as many tokens as are too many."""
        while True:
            got = self.tokenizer(head + body + tail, return_offsets_mapping=True, verbose=False)
            ids: list[int] = got["input_ids"]
            room = limit - (self.terminal is not None and ids[-1] != self.terminal)
            if len(ids) <= room:
                return ids
            start, end = len(head), len(head) + len(body)
            inside = [a for a, b in got["offset_mapping"] if a >= start and b <= end and b > a]
            if not body or not inside:
                raise RecipeError(
                    self.model,
                    f"prompt, template and pictures alone take {len(ids)} tokens, the limit is {room}",
                    "Raise max_tokens in the recipe, lower max_pixels, or give fewer pictures at once",
                )
            over = min(len(ids) - room, len(inside))
            body = body[: inside[-over] - start]

    def _close(self, ids: list[int], limit: int) -> list[int]:
        """End with the terminal token, whatever was cut."""
        if not ids and self.terminal is None:  # an empty text without template: one token to read there must be
            return [self.tokenizer.eos_token_id if self.tokenizer.eos_token_id is not None else 0]
        if self.terminal is None or (ids and ids[-1] == self.terminal):
            return ids
        return [*ids[: limit - 1], self.terminal]

    def _render(self, text: str, role: Role, pictures: tuple[str, ...]) -> tuple[str, str, str]:
        """What stands before the text, the text, what stands after it."""
        prompt = self._fill(self.recipe.prompts.get(role, ""), "", pictures)
        body = self._clean(text[: self.recipe.max_tokens * _LETTERS_PER_TOKEN])
        if self.recipe.lower_case:
            prompt, body = prompt.lower(), body.lower()
        template = self.recipe.template
        if template is None:
            return prompt, body, ""
        before, _, after = template.partition("{text}")
        loose = "" if "{prompt}" in template else prompt
        head = self._fill(before, prompt, pictures)
        if not pictures and before.startswith("{image"):
            head = head.lstrip()
        return head + loose, body, self._fill(after, prompt, pictures)

    def _fill(self, template: str, prompt: str, pictures: tuple[str, ...]) -> str:
        """Put prompt, instruction and pictures into their slots, in one pass: what is put in is not looked at again."""
        values = {
            "prompt": prompt,
            "instruction": self.recipe.instruction or "",
            "image": "".join(f"<|vision_start|>{p}<|vision_end|>" for p in pictures),
            "image_pad": "".join(pictures),
            "text": "",
        }
        return _SLOT.sub(lambda slot: values[slot.group(1)], template)

    def _clean(self, text: str) -> str:
        """Break reserved tokens that somebody wrote into a text: `<|image_pad|>` becomes `< |image_pad|>`."""
        for token in self.reserved:
            if token in text:
                text = text.replace(token, f"{token[:1]} {token[1:]}")
        return text

    def _terminal(self) -> int | None:
        if self.recipe.terminal is None:
            return None
        found = self.tokenizer.convert_tokens_to_ids(self.recipe.terminal)
        if found is None or found == self.tokenizer.unk_token_id:
            raise RecipeError(
                self.model,
                f"the terminal token {self.recipe.terminal!r} is not in its vocabulary",
                f"Its end token is {self.tokenizer.eos_token!r}; say so in the recipe: terminal=...",
            )
        return int(found)
