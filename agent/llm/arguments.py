"""The options that choose and bound language models, for every command that takes them."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from agent.llm.address import Address, parse
from agent.llm.budget import Limits
from agent.output import UsageError, positive

EPILOG = """\
--llm gpt-5-mini                              at OPENAI_BASE_URL or OpenAI, with OPENAI_API_KEY
--llm qwen3-coder@http://localhost:8000/v1    vLLM, llama.cpp, Ollama, OpenRouter, Gemini, Anthropic, any compatible endpoint
--llm cheap=MODEL --llm strong=MODEL@URL      one for debugging, one for drafting
--llm MODEL@URL#api=responses,price=0.4/1.6,key=NAME,server=ollama
                                              Responses API, dollars a million tokens in/out, variable of the key, kind of server
--llm relay:FOLDER#seconds=600                requests and answers are files: a person or another agent is the mind
--llm scripted:FOLDER                         answers from files: tests and demos
"""


def add_options(made: argparse.ArgumentParser) -> None:
    """`--llm` and what bounds it."""
    made.formatter_class, made.epilog = argparse.RawDescriptionHelpFormatter, EPILOG
    made.add_argument("--llm", action="append", metavar="MODEL", help="a language model; see below (default: MEDALIST_LLM)")
    made.add_argument("--llm-budget", type=_dollars, default=2.0, metavar="DOLLARS",
                      help="the most that models may cost, or 'none' (default: 2.00)")
    made.add_argument("--llm-tokens", type=_count, metavar="N", help="the most tokens, in and out")
    made.add_argument("--llm-calls", type=_count, metavar="N", help="the most calls")
    made.add_argument("--llm-replay", action="store_true", help="take every reply from the store; ask nobody, pay nothing")


def addresses(options: argparse.Namespace, environment: Mapping[str, str]) -> list[Address]:
    """The models that were asked for: `--llm`, else MEDALIST_LLM (several separated by blanks), else none."""
    return [parse(text) for text in options.llm or environment.get("MEDALIST_LLM", "").split()]


def limits(options: argparse.Namespace) -> Limits:
    """What the options allow. Raises UsageError where nothing would bound a run."""
    if options.llm_budget is None and options.llm_tokens is None and options.llm_calls is None:
        raise UsageError("--llm-budget none leaves nothing to stop at: say --llm-tokens or --llm-calls")
    return Limits(options.llm_budget, options.llm_tokens, options.llm_calls)


def store_folder(runs: Path) -> Path:
    """Where replies are kept, for all runs together."""
    return runs / "llm"


def _dollars(text: str) -> float | None:
    return None if text == "none" else positive(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above zero")
    return int(text)
