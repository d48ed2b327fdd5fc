"""Write the data of this product: scikit-learn's breast-cancer table, split once and for good.

python prepare.py        makes data/train.csv and data/holdout.csv
"""

from pathlib import Path

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent


def main() -> None:
    """Split seven to three, so that both parts hold as many malignant cases in ten."""
    table = load_breast_cancer(as_frame=True).frame
    table.columns = [name.replace(" ", "_") for name in table.columns]
    table["diagnosis"] = table.pop("target").map({0: "malignant", 1: "benign"})
    train, holdout = train_test_split(
        table, test_size=0.3, random_state=7, stratify=table["diagnosis"]
    )
    (HERE / "data").mkdir(exist_ok=True)
    train.to_csv(HERE / "data" / "train.csv", index=False)
    holdout.to_csv(HERE / "data" / "holdout.csv", index=False)


if __name__ == "__main__":
    main()
