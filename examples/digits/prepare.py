"""Write the data of this product: scikit-learn's handwritten digits, split once and for good.

python prepare.py        makes data/train.csv and data/holdout.csv
"""

from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent


def main() -> None:
    """Split seven to three, with the same share of every digit in both parts."""
    table = load_digits(as_frame=True).frame.rename(columns={"target": "digit"})
    train, holdout = train_test_split(table, test_size=0.3, random_state=7, stratify=table["digit"])
    (HERE / "data").mkdir(exist_ok=True)
    train.to_csv(HERE / "data" / "train.csv", index=False)
    holdout.to_csv(HERE / "data" / "holdout.csv", index=False)


if __name__ == "__main__":
    main()
