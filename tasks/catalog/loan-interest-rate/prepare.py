"""Builds loan-interest-rate: loans as applied for, a random quarter of them to be given their rate."""

from pathlib import Path

from tasks import packaged, splitting

# Set from the rate, or seen only after it was set.
ENCODE_THE_RATE = ["grade", "sub_grade", "installment", "balance", "loan_status"]
PAYMENTS = ["paid_total", "paid_principal", "paid_interest", "paid_late_fees"]


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files without the columns that encode the rate."""
    loans = packaged.rdataset(raw, "openintro/loans_full_schema").drop(columns=ENCODE_THE_RATE + PAYMENTS)
    split = splitting.random_split(loans, test_share=0.25, seed=3)
    splitting.write_competition(split, public, private, seed=3)
