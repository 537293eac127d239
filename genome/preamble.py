"""What stands before every question of an exam: a system prompt, and answered examples."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preamble:
    """The same for all who are asked, and part of how a question is put."""

    system: str = ""
    shots: tuple[tuple[str, str], ...] = ()
    """Questions and their right answers, shown as turns that went before."""

    def messages(self, question: str, *, system_role: bool) -> list[dict[str, str]]:
        """The turns that put a question.

        Args:
            system_role: Whether the chat template knows one; else the system prompt stands before
                the first question.
        """
        turns = [
            {"role": role, "content": text}
            for shot in self.shots
            for role, text in zip(("user", "assistant"), shot, strict=True)
        ]
        turns.append({"role": "user", "content": question})
        if self.system and not system_role:
            turns[0]["content"] = f"{self.system}\n\n{turns[0]['content']}"
        elif self.system:
            turns.insert(0, {"role": "system", "content": self.system})
        return turns
