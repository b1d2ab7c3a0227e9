"""The opening: recipes worth trying first on a task with these traits, cheap and broad before dear and deep."""

from agent.solution import Block, Recipe
from agent.traits import Traits
from tasks.metrics import metric

LEVELS = Block("encoders.levels")
DATES = Block("features.dates")
SEASON = Block("features.dates", {"absolute": False})
TEXT = Block("text.reduce")
COUNTS = Block("encoders.counts")
TARGET_MEAN = Block("encoders.target_mean")
PAIRS = Block("features.pairs")
IMAGE = Block("images.features")
LAGS = Block("calendar.lags")
PAST = Block("forecast.past")
PAIRED = Block("recommend.features")
SIGNAL = Block("signal.features")
SOUND = Block("sound.features")
WITHIN = Block("groups.within")
AROUND = Block("history.around")
SENSE = Block("sentences.vectors")
WHOLE_SENSE = Block("sentences.vectors", {"components": 0})
SEEN = Block("backbone.vectors")
WHOLE_SEEN = Block("backbone.vectors", {"components": 0})
LIKENESS = Block("likeness.features")
SAME = Block("likeness.same")
PARTS = Block("encoders.parts")
SEQUENCES = Block("sequences.features")
TELLING = Block("selection.telling")
STRONGEST = Block("selection.telling", {"chance": 0, "most": 300})
QUESTIONS = (TELLING.name, WITHIN.name, AROUND.name, TEXT.name)  # asked by an entry that differs from one before in nothing else

CAREFUL = {"learning_rate": 0.03, "num_leaves": 15, "feature_fraction": 0.5, "min_child_samples": 10}
RANDOM_SPLITS = {**CAREFUL, "extra_trees": True, "feature_fraction": 1.0}
FEW_ROWS = 20_000
FOREST_ROWS, FOREST_CELLS = 10_000, 60_000
NET_ROWS = 60_000
KERNEL_ROWS = 6_000
WIDE, NARROW = 400, 5  # columns; narrow tables are what kit/boosters.py takes for such
CONTEXT_ROWS, CONTEXT_COLUMNS = 50_000, 300  # that a pretrained model for tables is asked about
SEVERAL = ("multilabel", "multiregression")  # a kernel machine for each of them takes too long
QUICK, NET = ("linear.regularised", "linear.support_vectors"), ("nets.mlp",)  # first of tables that are short for their columns
MACHINES = 1_000_000_000  # squared rows of all the kernel machines of a table, one for each class, that are quick
QUICK_CELLS, SMALL_CELLS = 1_000_000, 300_000
QUICK_CURVES = 60_000  # cells of which smooth curves are fitted to classes in a second
SEVERAL_COLUMNS = 12  # from which some may tell nothing
GROUP_COLUMNS = 100  # up to which a row's group is a question of its own: of more, looking at it takes as long as a booster
MANY_CELLS = 5_000_000  # of which a booster that sees them all has few rounds in a minute
Moves = list[tuple[Recipe, str]]
FEW_CLASSES = 10  # with which a kernel machine, one for each pair of them, is the quickest model of images; of more, a linear one
MANY_CLASSES = 30  # least squares take a tenth of logistic regression's time there


def basic_blocks(traits: Traits) -> tuple[Block, ...]:
    """What makes the columns readable for a booster, nothing more. Of a single year the days that have passed are left out:
    trees would go on from the last of them, and no fold has seen the season that the test returns to."""
    blocks = [LIKENESS] if traits.alike and _is_mostly_text(traits) else []  # of long texts it takes as long as a booster
    blocks += [SAME] if traits.same else []
    blocks += [PARTS] if traits.parted else []
    blocks += [SEQUENCES] if traits.sequences else []
    blocks += [LEVELS] if traits.coded else []
    blocks += [SOUND if traits.sound else IMAGE] if traits.image else []
    blocks += [SEASON if traits.one_year else DATES] if traits.datetime else []
    blocks += [TEXT] if traits.text and not traits.names else []
    return tuple(blocks)


def rich_blocks(traits: Traits) -> tuple[Block, ...]:
    """The blocks that are worth a first try wherever their columns exist; operators drop what does not gain."""
    blocks = [LIKENESS] if traits.alike and not _is_mostly_text(traits) else []
    blocks += basic_blocks(traits)
    if traits.grouped and not traits.forward:  # before the dates, by which rows are ordered, give way to their parts
        blocks.insert(sum(block in (LIKENESS, SAME, PARTS, SEQUENCES, LEVELS) for block in blocks), WITHIN)
    blocks += [SEEN] if traits.photographs else []
    blocks += [LAGS] if traits.forward and traits.datetime and not traits.one_year else []
    blocks += [PAST] if _is_forecast(traits) else []
    blocks += [PAIRED] if traits.paired else []
    blocks += [COUNTS, TARGET_MEAN] if traits.categorical + traits.coded else []
    blocks += [PAIRS] if 3 <= traits.numeric <= WIDE and not _is_short(traits) else []  # of so many pairs some fit by chance
    return tuple(blocks)


def opening(traits: Traits) -> list[tuple[Recipe, str]]:
    """Recipes with their hypotheses, in the order in which they should run."""
    basic, rich = basic_blocks(traits), rich_blocks(traits)
    left_out = (LEVELS,) if _is_mostly_text(traits) else (LEVELS, TEXT)  # the mark is quick: other columns first
    plain = tuple(block for block in basic if block not in left_out)
    mark = [(Recipe("boosters.lightgbm", plain), "A default LightGBM sets the mark")]
    if traits.forward and DATES in plain:
        timeless = tuple(SEASON if block == DATES else block for block in plain)
        mark.append((Recipe("boosters.lightgbm", timeless), "What comes back every year holds for later rows too"))
    mark += _in_groups(traits, plain) + _at_other_moments(traits, plain)
    if traits.names:
        mark.append((Recipe("boosters.lightgbm", plain).with_block(TEXT), "The names may tell something after all"))
    fewer = _fewer_columns(traits, plain)
    worded = traits.text > 0 and not traits.names
    late = fewer if worded and not _is_vast(traits) else []  # what texts tell is asked before what columns do not
    mark = fewer + mark if _is_vast(traits) else mark if late else mark + fewer
    special, seen = _by_kind(traits, basic), _seen(traits, basic)
    series = [move for move in special if move[0].model.startswith("forecast.")]  # what goes on from where a series stands
    mark, special = [*mark[:1], *series, *mark[1:]], [move for move in special if move not in series]
    if traits.image and not traits.sound and traits.numeric + traits.categorical <= 3:
        look = (Recipe("linear.regularised", plain, {"strength": 30.0}), "The images' tones, edges and shapes: the quickest look")
        first = [look, *seen, *mark]
    else:
        first = [*mark, *seen]
    others = _others(traits, basic, rich)
    added = [move for move in others if _adds_up_soon(traits, move[0], rich)]  # now and then the best of all
    first, others = [*first, *added], [move for move in others if move not in added]
    if _is_spread(traits):
        early = [move for move in others if move[0].model in ("linear.support_vectors", "nets.mlp")]
        first, others = [*early, *first], [move for move in others if move not in early]
    if _is_short(traits):
        quick, net = ([move for move in others if move[0].model in models and not move[0].params] for models in (QUICK, NET))
        first = [*quick, *first, *net]
        others = [move for move in others if move not in first]
    moves = special + first if _is_mostly_text(traits) else first + special
    moves += late
    moves += _by_turns(traits, _boosters(traits, basic, rich), _pretrained(traits, basic), others)
    return [(_seasonal(recipe), hypothesis) for recipe, hypothesis in moves] if traits.one_year and traits.datetime else moves


def _adds_up_soon(traits: Traits, recipe: Recipe, rich: tuple[Block, ...]) -> bool:
    """Whether it is a linear model that takes a second: of small smooth tables, and smooth curves of all small ones, of classes
    of smaller ones."""
    if not _is_small(traits) or _is_short(traits) or recipe.model != "linear.regularised":
        return False
    curves = traits.kind in ("regression", "ordinal") or traits.rows * traits.columns <= QUICK_CURVES
    return (curves and "splines" in recipe.params) or (_is_smooth(traits) and recipe == Recipe("linear.regularised", rich))


def _in_groups(traits: Traits, plain: tuple[Block, ...]) -> Moves:
    """The mark with what the other rows of a row's group show. Where it is the better for it, all that follows sees them."""
    if WITHIN not in rich_blocks(traits) or traits.image or _is_mostly_text(traits) or traits.columns > GROUP_COLUMNS:
        return []
    recipe = Recipe("boosters.lightgbm", plain).with_block(WITHIN)
    return [(recipe, "The rows before and after in the group, its mean and extremes")]


def _at_other_moments(traits: Traits, plain: tuple[Block, ...]) -> Moves:
    """The mark with what is known of the row's thing at other moments, as another question."""
    if not traits.panel or traits.image or _is_mostly_text(traits):
        return []
    recipe = Recipe("boosters.lightgbm", plain).with_block(AROUND)
    return [(recipe, "The same thing a moment before and after, where train knows it")]


def _fewer_columns(traits: Traits, plain: tuple[Block, ...]) -> Moves:
    """The mark with fewer columns. Where it is the better for it, what follows leaves them out too (Embedded)."""
    if traits.pixels or traits.channels or traits.image or _is_mostly_text(traits):
        return []
    if _is_vast(traits):
        return [(Recipe("boosters.lightgbm", (*plain, STRONGEST)), "The columns that tell most by themselves, of very many")]
    if traits.numeric + traits.categorical < SEVERAL_COLUMNS or traits.rows > FEW_ROWS:
        return []
    return [(Recipe("boosters.lightgbm", (*plain, TELLING)), "Some columns may tell nothing: only those that beat shuffled ones")]


def _by_turns(traits: Traits, boosters: Moves, pretrained: Moves, others: Moves) -> Moves:
    """Two boosters, then a forest and a net: a blend gains more from what errs elsewhere than from a third booster. Of a
    smooth table net and forest are first (of many cells, where a forest is slow, the net alone), and of many classes the
    net, the forest and a linear model, since trees split on each class. Of more rows a forest takes longer than boosters."""
    many = traits.kind == "multiclass" and traits.classes > FEW_CLASSES
    if traits.image or _is_mostly_text(traits):
        return [*boosters, *pretrained, *others]
    near = [move for move in others if move[0].model == "neighbours.knn" and _is_small(traits)]
    others = [move for move in others if move not in near]
    if traits.rows > FOREST_ROWS and not many:
        return [*boosters[:2], *near, *boosters[2:], *pretrained, *others]
    slow = _is_smooth(traits) and traits.numeric * traits.rows >= FOREST_CELLS and not many
    first = ["nets.mlp", "forests.extra_trees"] if many or _is_smooth(traits) else ["forests.extra_trees", "nets.mlp"]
    first += ["linear.regularised"] if many else []
    early = [move for model in first for move in others if move[0].model == model]
    others = [move for move in others if move not in early]
    late = [move for move in early if slow and move[0].model == "forests.extra_trees"]
    early = [move for move in early if move not in late]
    two, more = boosters[:2], boosters[2:]
    begun = [*early, *two] if many or _is_smooth(traits) else [*two, *early]
    return [*begun, *near, *late, *more, *pretrained, *others]


def _seasonal(recipe: Recipe) -> Recipe:
    """The recipe with dates read as times of the year, where it would have them as a number that grows."""
    return recipe if recipe.has(SEASON.name) else recipe.with_block(SEASON)


def _by_kind(traits: Traits, basic: tuple[Block, ...]) -> list[tuple[Recipe, str]]:
    """What only some data deserve: text, images, ids of people and things, few smooth numbers."""
    moves = []
    beside = tuple(block for block in basic if block == LIKENESS)
    if traits.sequences:
        told = tuple(block for block in basic if block != TEXT)
        moves.append((Recipe("linear.regularised", told), "What sequences are made of, and what stands where, added up"))
    if traits.text and not traits.names:
        moves.append((Recipe("text.ridge", beside), "Single words and a ridge: the quickest look at the text"))
        carried = [(Recipe("text.linear_model", beside), "Words and characters carry the label: a sparse linear model")]
        if traits.kind in ("binary", "multiclass", "multilabel"):  # of numbers it is the model before
            carried.append((Recipe("text.ridge", beside, {"characters": True}), "Characters beside the words, by least squares"))
        moves += carried[::-1] if traits.kind == "multiclass" and traits.classes > MANY_CLASSES else carried
        if traits.kind == "binary":  # else there are no ratios, and it is the model before
            bayes = Recipe("text.linear_model", beside, {"naive_bayes": True, "strength": 0.1})
            moves.append((bayes, "Naive Bayes ratios as features of a linear model"))
    if traits.sentences:
        meant = (*beside, WHOLE_SENSE)
        moves.append((Recipe("linear.regularised", meant), "What sentences mean, by pretrained vectors, added up"))
        if traits.rows <= KERNEL_ROWS:
            moves.append((Recipe("linear.support_vectors", meant), "Texts that mean the like have like labels"))
        sensed = Recipe("boosters.catboost", basic).with_block(SENSE)
        moves.append((sensed, "The sense of the texts beside their words and the rest"))
    if traits.sound:
        moves.append((Recipe("images.convnet", params={"mirror": False, "shift": 0.05}),
                      "A spectrogram is a picture that has no mirror image"))
        moves.append((Recipe("linear.regularised", basic), "Loudness by band and time, added up"))
        if traits.rows <= KERNEL_ROWS:
            moves.append((Recipe("linear.support_vectors", basic), "Sounds that are alike have like labels"))
    elif traits.image or traits.pixels:
        moves.append((Recipe("images.convnet"), "Pixels want a convolutional net"))
    if traits.channels:
        heard = (SIGNAL, *basic)
        moves.append((Recipe("boosters.lightgbm", heard), "A signal's spectrum and shape, wherever in the row it happens"))
        moves.append((Recipe("forests.extra_trees", heard), "Randomised trees on the signals' shapes"))
        moves.append((Recipe("linear.regularised", heard), "The signals' shapes, added up"))
    if _is_forecast(traits):
        moves.append((Recipe("forecast.smoothed"), "Each series goes on as it went: level, seasons, half of its drift"))
        moves.append((Recipe("forecast.relative"), "How far from where its series stood: trees that go on from a level"))
    if traits.paired and traits.kind in ("binary", "regression", "ordinal"):
        moves.append((Recipe("recommend.factors"), "Tastes of users and styles of items"))
    if traits.kind == "multiclass" and traits.metric.startswith(("map@", "ndcg@")) and traits.categorical + traits.coded:
        moves.append((Recipe("recommend.next_item"), "What those chose who chose the same before"))
    if traits.categorical + traits.coded >= 2 and traits.top_levels > 200 and traits.numeric <= WIDE:
        coded = tuple(block for block in basic if block in (PARTS, LEVELS))
        moves.append((Recipe("linear.biases", coded), "Levels with many rows have effects that add up"))
    if _is_smooth_picture(traits):
        moves.append((Recipe("linear.support_vectors", basic), "A kernel machine on few rows of like numbers"))
    return moves


def _seen(traits: Traits, basic: tuple[Block, ...]) -> list[tuple[Recipe, str]]:
    """What a network that was trained on photographs sees in the images."""
    if not traits.photographs:
        return []
    whole = (SEEN, *basic)
    quick = (SEEN,) if traits.kind in SEVERAL else whole  # with several targets it is the first that sees, and has to end in time
    moves = [(Recipe("nets.mlp", quick), "What a pretrained network sees in the images, into a net")]
    if traits.rows <= KERNEL_ROWS and traits.kind not in SEVERAL and traits.classes <= MANY_CLASSES:
        machine = (Recipe("linear.support_vectors", whole), "Where a pretrained network sees the like, labels are alike")
        moves.insert(0 if traits.classes <= FEW_CLASSES else 1, machine)  # nobody ends the first entry of a run
    moves.append((Recipe("linear.regularised", (WHOLE_SEEN,)), "What it sees in the images, added up"))
    fraction = {**(CAREFUL if traits.rows <= FEW_ROWS else {}), "feature_fraction": 0.1}
    moves.append((Recipe("boosters.lightgbm", (WHOLE_SEEN, *basic), fraction), "All that it sees and the rest, into trees"))
    return moves


def _is_forecast(traits: Traits) -> bool:
    """Numbers that are to be known for times to come."""
    return traits.forward and traits.timed and not traits.one_year and traits.kind in ("regression", "multiregression")


def _is_mostly_text(traits: Traits) -> bool:
    """Where a sparse linear model is both cheaper and better than a booster on reduced text."""
    return bool(traits.text) and traits.numeric + traits.categorical <= 3


def _is_smooth(traits: Traits) -> bool:
    """Few rows, mostly numbers: where kernels and nets outdo trees."""
    few = traits.rows <= FOREST_ROWS and traits.numeric >= 8
    return few and traits.categorical + traits.text + traits.datetime <= traits.numeric // 8


def _is_small(traits: Traits) -> bool:
    """Of so few numbers that a linear model takes a second, and one looks up near rows in less."""
    cells = traits.rows * (traits.numeric + traits.categorical)
    return traits.rows <= FEW_ROWS and cells <= SMALL_CELLS and not traits.text + traits.image and not traits.forward


def _is_short(traits: Traits) -> bool:
    """Mostly numbers, one column or more for every two rows (spectra, genes, curves): where a linear model and a kernel machine
    take a second and are often the best, and trees take ten. Of millions of cells they take ten too."""
    return _is_smooth(traits) and 2 * traits.numeric >= traits.rows and traits.numeric * traits.rows <= QUICK_CELLS


def _is_spread(traits: Traits) -> bool:
    """Smooth numbers of many classes, few rows of each: trees split on every class and have rounds for none in a minute, kernels
    and nets see all of them at once."""
    quick = traits.classes * traits.rows**2 <= MACHINES
    return traits.kind == "multiclass" and traits.classes > FEW_CLASSES and _is_smooth(traits) and quick


def _is_vast(traits: Traits) -> bool:
    """Hundreds of columns and millions of cells: no model that sees them all comes far, and most tell little."""
    return traits.columns > WIDE and traits.columns * traits.rows > MANY_CELLS


def _is_smooth_picture(traits: Traits) -> bool:
    """Pixels in columns, of so few rows that a kernel machine is the quickest good model of them."""
    return traits.pixels and traits.rows <= KERNEL_ROWS and _is_smooth(traits)


def _boosters(traits: Traits, basic: tuple[Block, ...], rich: tuple[Block, ...]) -> list[tuple[Recipe, str]]:
    """CatBoost first where levels are many, but for pairs of users and items and for groups: what is known of these tells
    more."""
    catboost = (Recipe("boosters.catboost", basic), "Ordered target statistics of CatBoost on raw columns")
    careful = CAREFUL if traits.rows <= FEW_ROWS else {}
    featured = (Recipe("boosters.lightgbm", rich, careful), "Features that gain most often, into a careful LightGBM")
    levels = traits.top_levels > 50 and not traits.paired and WITHIN not in rich
    first = [catboost, featured] if levels else [featured, catboost]
    moves = first if rich != basic or careful else [catboost]
    if careful and not traits.image:
        moves.append((Recipe("boosters.lightgbm", basic, RANDOM_SPLITS), "Splits at random places: smoother than the best ones"))
    if traits.counted:
        poisson = (Recipe("boosters.lightgbm", rich, {**careful, "objective": "poisson"}),
                   "Amounts whose spread grows with their mean: Poisson's loss")
        moves.insert(0, poisson)
        moves.append((Recipe("boosters.lightgbm", rich, {**careful, "objective": "tweedie"}), "Amounts, many of them zero"))
    moves.append((Recipe("boosters.xgboost", rich), "Another booster for diversity"))
    if careful and rich != basic and traits.columns > NARROW:
        moves.append((Recipe("boosters.lightgbm", basic, careful), "Smaller trees on fewer columns each: less variance"))
    if careful and traits.columns <= WIDE and not traits.image:
        whole = {**careful, "feature_fraction": 1.0}
        moves.append((Recipe("boosters.lightgbm", basic, whole), "All columns for each tree, where few of them tell nearly all"))
    if traits.kind == "survival":
        moves.append((Recipe("boosters.aft", rich), "When a row fails, not only who fails before whom"))
    if rich != basic:
        moves.append((Recipe("boosters.catboost", rich), "CatBoost with the features"))
    return moves


def _pretrained(traits: Traits, basic: tuple[Block, ...]) -> list[tuple[Recipe, str]]:
    """A model that was trained on other tables, where its weights are present and one pass can hold the rows."""
    fits = traits.rows <= CONTEXT_ROWS and traits.columns <= CONTEXT_COLUMNS and not traits.image and not traits.pixels
    if not (traits.pretrained and fits and traits.numeric + traits.categorical):
        return []
    return [(Recipe("foundation.tabicl", basic), "A transformer that was trained on tables of many kinds reads this one")]


def _others(traits: Traits, basic: tuple[Block, ...], rich: tuple[Block, ...]) -> list[tuple[Recipe, str]]:
    numbers = traits.numeric + traits.categorical
    voted = traits.kind == "multiclass" and metric(traits.metric).labels
    moves = [(Recipe("forests.extra_trees", basic), "Pure leaves give rare classes a vote")] if voted else []
    moves += [(Recipe("linear.regularised", rich), "A linear view for the blend")] if numbers else []
    if traits.numeric and traits.columns <= WIDE:
        moves.append((Recipe("linear.regularised", basic, {"splines": 6}), "Smooth curves, added up"))
    shown = (SEEN, *(block for block in basic if block != IMAGE)) if traits.photographs else basic
    net = [(Recipe("nets.mlp", shown), "A smooth net errs where trees do not")] if traits.rows <= NET_ROWS and numbers else []
    early = _is_smooth(traits) or traits.photographs
    moves += net if early else []
    if traits.rows <= KERNEL_ROWS and traits.numeric >= 2 and not _is_smooth_picture(traits):
        moves.append((Recipe("linear.support_vectors", basic), "A kernel machine on few rows"))
    moves += [] if voted else [(Recipe("forests.extra_trees", rich), "Randomised trees for diversity")]
    if traits.rows <= NET_ROWS // 2 and 2 <= traits.numeric <= WIDE:
        moves.append((Recipe("neighbours.knn", basic), "Near rows have near labels"))
    moves += [] if early else net
    if traits.rows <= NET_ROWS and (numbers or traits.photographs):
        moves.append((Recipe("nets.tabm", shown), "An ensemble of nets in one"))
    if traits.photographs and traits.image == 1:
        moves.append((Recipe("backbone.fine_tuned"), "A pretrained network, trained on with these images"))
    return moves
