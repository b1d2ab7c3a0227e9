"""Builds organic-glass: computed molecules with three properties, a random fifth of 15,000 to be foretold."""

from pathlib import Path

from tasks import packaged, splitting

COLUMNS = {"Mol_Smiles": "smiles", "RI_LL": "refractive_index", "Den_MD": "density", "Pol_DFT": "polarizability"}


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files: a sample of the molecules, properties in standard deviations."""
    molecules = packaged.csv(packaged.read(raw, "chemml", "chemml/published/RI/input_files/properties.csv"))
    molecules = molecules.rename(columns=COLUMNS)[list(COLUMNS.values())].drop_duplicates("smiles")
    values = molecules.drop(columns="smiles")
    molecules[values.columns] = ((values - values.mean()) / values.std()).round(5)
    chosen = molecules.sample(15_000, random_state=52, ignore_index=True)
    split = splitting.random_split(chosen, test_share=0.2, seed=52)
    splitting.write_competition(split, public, private, seed=52)
