"""Finds the metric in the evaluation section of a competition's description: the longest phrase that names one wins."""

import re

UNKNOWN = ""  # phrases that name a metric which we lack: they must not be taken for the known one inside them

AUC = r"area under (?:the )?(?:(?:receiver operating characteristics?|roc) ?(?:\(roc\) )?(?:curve)?|curve)"
RMSE = r"root (?:of the )?mean squared? error"
COLUMNS = r"(?:mean column ?wise|column ?wise mean|mean columnwise)"

PHRASES: tuple[tuple[str, str], ...] = (
    (rf"{AUC}|auc ?roc|roc ?auc|auroc|auc", "auc"),
    (rf"(?:{COLUMNS}|average(?:d)?(?: \w+){{0,3}}|mean(?: \w+){{0,3}}) (?:{AUC}|roc ?auc|auc)", "mean_auc"),
    (rf"(?:macro|one vs rest|ovr)[ \w]{{0,40}}(?:{AUC}|auc)", "mean_auc"),
    (r"(?:area under )?(?:the )?precision recall (?:curve|auc)|pr auc|auprc|average precision(?: score)?",
     "average_precision"),
    (r"(?:multi ?class |categorical |binary )?(?:log(?:arithmic)? ?loss|cross entropy)(?: loss)?", "log_loss"),
    (rf"{COLUMNS} (?:log(?:arithmic)? ?loss|cross entropy)", "mean_log_loss"),
    (r"mean(?: \w+){0,3} log loss (?:over|across)(?: \w+){0,2} (?:columns|targets|labels)", "mean_log_loss"),
    (r"(?:balanced|weighted) (?:multi ?class )?log(?:arithmic)? loss", UNKNOWN),
    (r"accuracy|percent(?:age)? of (?:[\w ]{1,40} )?(?:correct(?:ly)?|predict(?:ed)? correctly)"
     r"|share of [\w ]{0,40}correct(?:ly)?", "accuracy"),
    (r"balanced (?:classification )?accuracy|(?:mean|average|macro) (?:\w+ )?recall", "balanced_accuracy"),
    (r"f ?1(?: ?scores?| measure)?", "f1"),
    (r"macro(?: averaged?| mean)?(?: of)?(?: the)? f ?1(?: ?scores?| measure)?|f ?1(?: score)? ?\(?macro\)?",
     "f1_macro"),
    (r"micro(?: averaged?)? f ?1(?: ?scores?| measure)?|f ?1(?: score)? ?\(?micro\)?", "f1_micro"),
    (r"(?:sample|row|example)(?:s|wise| wise)?(?: averaged?)? f ?1(?: ?scores?| measure)?|mean f ?1(?: ?scores?)?"
     r"|f ?1(?: score)? averaged over (?:rows|samples)", "f1_samples"),
    (r"weighted(?: averaged?)? f ?1(?: score)?|f ?beta(?: score)?", UNKNOWN),
    (r"f ?(?P<a>2|0\.5)(?: score| measure)|f ?beta(?: score| measure)?[\w (),]{0,30}beta ?(?:=|of) ?(?P<b>\d+(?:\.\d+)?)",
     "fbeta@"),
    (r"jaccard(?: similarity)?(?: index| score| coefficient)?", "jaccard"),
    (r"brier(?: score)?(?: loss)?", "brier"),
    (r"matthews'?s? correlation(?: coefficient)?(?: \(mcc\))?|mcc", "mcc"),
    (r"quadratic(?:ally)? weighted (?:cohen'?s )?kappa|qwk|kappa[ \w]{0,20} quadratic weights?", "qwk"),
    (r"(?:cohen'?s )?kappa(?: score| statistic| coefficient)?", "kappa"),
    (r"linear(?:ly)? weighted (?:cohen'?s )?kappa", UNKNOWN),
    (rf"{RMSE}|rmse|root mean squared? deviation", "rmse"),
    (r"mean squared? error|mse", "mse"),
    (rf"{COLUMNS} mean squared? error|mean squared? error[\w ]{{0,20}} (?:columns|targets)", UNKNOWN),
    (r"mean squared? log(?:arithmic)? error|msle", "msle"),
    (r"median absolute error|medae", "medae"),
    (r"pearson(?:'s)?(?: product moment)?(?: correlation)?(?: coefficient)?", "pearson"),
    (r"spearman(?:'s)?(?: rank)?(?: order)?(?: correlation)?(?: coefficient)?(?: rho)?", "spearman"),
    (rf"{COLUMNS} (?:pearson|spearman)(?:'s)?(?: rank)?(?: correlation)?(?: coefficient)?", UNKNOWN),
    (rf"{COLUMNS} (?:{RMSE}|rmse)|mcrmse", "mean_rmse"),
    (rf"(?:mean|average)(?: of)?(?: the)?(?: \w+){{0,2}} (?:{RMSE}|rmse)s? (?:over|across|of)(?: \w+){{0,2}} "
     r"(?:columns|targets)", "mean_rmse"),
    (rf"root mean squared? log(?:arithmic)? error|rmsle|(?:{RMSE}|rmse)(?: \(rmse\))? "
     r"(?:between|of|on) (?:the )?(?:natural )?log\w*", "rmsle"),
    (rf"{COLUMNS} (?:root mean squared? log(?:arithmic)? error|rmsle)", "mean_rmsle"),
    (r"(?:average|mean)(?: of)?(?: the)? (?:root mean squared? log(?:arithmic)? error|rmsle)s? (?:over|across|of)"
     r"(?: \w+){0,2} (?:columns|targets)", "mean_rmsle"),
    (r"mean absolute error|mae|mean absolute deviation", "mae"),
    (r"weighted mean absolute error|wmae|mean absolute scaled error|weighted rmsse|wrmsse|mase", UNKNOWN),
    (r"mean absolute percent(?:age)? error|mape", "mape"),
    (r"symmetric(?:al)? mean absolute percent(?:age)? error|smape|symmetric mape", "smape"),
    (r"root mean squared? percent(?:age)? error|rmspe", "rmspe"),
    (r"r ?\^? ?2(?: score)?|r²|r squared|coefficient of determination", "r2"),
    (r"(?:normali[sz]ed )?gini(?: coefficient| index)?", "gini"),
    (r"(?:harrell'?s )?(?:concordance|c) (?:index|statistic)|concordance", "concordance"),
    (r"(?:s[øo]rensen )?dice(?: similarity)?(?: coefficient| score)?", "dice"),
    (r"mean average precision", "map"),
    (r"mean average precision (?:at|@) ?(?P<a>\d+)(?: \(map ?@ ?\d+\))?|map ?(?:@|at) ?(?P<b>\d+)", "map@"),
    (r"mean average precision[\w ]{0,30}\biou|mean average precision[\w ]{0,30}intersection", UNKNOWN),
    (r"(?:normali[sz]ed )?discounted cumulative gain|ndcg", "ndcg"),
    (r"(?:normali[sz]ed )?discounted cumulative gain (?:at|@) ?(?:rank |k ?= ?)?(?P<a>\d+)(?: \(ndcg ?@ ?\d+\))?"
     r"|ndcg ?(?:@|at) ?(?P<b>\d+)", "ndcg@"),
    (r"pinball(?: loss)?|quantile loss", "pinball"),
    (r"(?:pinball|quantile)(?: loss)?[\w ()]{0,40}?(?P<a>0\.\d+)(?: quantile)?"
     r"|(?P<b>0\.\d+) quantile[\w ]{0,20}(?:pinball|quantile) loss", "pinball@"),
)

SPECIFIC = {
    "f1": ("f1_macro", "f1_micro", "f1_samples"), "auc": ("mean_auc", "gini"), "log_loss": ("mean_log_loss",),
    "rmse": ("mean_rmse", "rmsle", "mean_rmsle"), "rmsle": ("mean_rmsle",),
    "mse": ("rmse", "mean_rmse", "rmsle", "mean_rmsle", "msle", "r2"), "msle": ("rmsle", "mean_rmsle"), "kappa": ("qwk",),
    "map": ("map@",), "ndcg": ("ndcg@",), "pinball": ("pinball@",), "accuracy": ("balanced_accuracy",), UNKNOWN: (),
}
"""Short names that a page goes on to use for a metric that it named in full."""


def from_text(text: str) -> str | None:
    """The name of the metric that a description's evaluation section names; None where it names none or several.

    Where the whole text names several, only the sentences that say how submissions are scored count.
    """
    sentences = _sentences(text)
    telling = [s for s in sentences if re.search(r"\b(?:evaluat|scor(?:ed|ing)|judged|graded|ranked|metric)", s)]
    return _single(sentences) or _single(telling) or _single(telling[:1])


def _sentences(text: str) -> list[str]:
    plain = re.sub(r"[-_‐–—*`{}\[\]$\\]+", " ", text.lower().replace("’", "'"))
    return [re.sub(r"\s+", " ", part) for part in re.split(r"[.!?;:](?:\s|$)|\n\s*\n|\n#+", plain)]


def _single(sentences: list[str]) -> str | None:
    found = {name for sentence in sentences for name in _named(sentence)}
    heads = {name.split("@")[0] + "@" if "@" in name else name for name in found}
    left = {n for n in found if not any(specific in heads for specific in SPECIFIC.get(n, ()))}
    only = next(iter(left)) if len(left) == 1 else UNKNOWN
    return None if only in (UNKNOWN, "map", "ndcg", "pinball") else only


def _named(sentence: str) -> list[str]:
    """The metrics named in a sentence; a phrase inside a longer one does not count."""
    matches = [(match, name) for pattern, name in PHRASES
               for match in re.finditer(rf"(?<![\w]){'(?:' + pattern + ')'}(?!\w)", sentence)]
    matches.sort(key=lambda pair: pair[0].start() - pair[0].end())
    kept: list[tuple[re.Match[str], str]] = []
    for match, name in matches:
        if all(match.end() <= other.start() or match.start() >= other.end() for other, _ in kept):
            kept.append((match, name))
    return [name + _parameter(match) if name.endswith("@") else name for match, name in kept]


def _parameter(match: re.Match[str]) -> str:
    return next(value for value in match.groupdict().values() if value)
