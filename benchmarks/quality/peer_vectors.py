"""What other programs find on planted cases; runs in their environments, started by peer_runs.py.

    python peer_vectors.py cleanlab|fastdup labels|outliers IN.npz OUT.npz

IN holds ``<data>|vectors`` and ``<data>|...|labels`` for labels, ``<case>|vectors`` for outliers. OUT gets
``<case>|<tool> <method>|score`` (higher is more suspect), ``|flag`` where the tool flags, and ``seconds``.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

FOLDS = 5
NEIGHBOURS = 10
REGULARISATION = 100
"""C of the logistic regression; on the tuning halves 100 had a smaller cross-fitted loss than 1."""


def cleanlab_labels(vectors: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    from cleanlab import Datalab
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    # A class may have lost all its images to the noise.
    labels = np.unique(labels, return_inverse=True)[1]
    model = LogisticRegression(C=REGULARISATION, max_iter=300)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    probs = cross_val_predict(model, vectors, labels, cv=folds, method="predict_proba")
    found = {"probs": probs}
    for method in ("self_confidence", "normalized_margin"):
        found[f"{method}|score"] = 1 - get_label_quality_scores(labels, probs, method=method)
    for rule in ("prune_by_noise_rate", "both", "confident_learning"):
        found[f"{rule}|flag"] = find_label_issues(labels, probs, filter_by=rule)
    lab = Datalab({"labels": labels}, label_name="labels", verbosity=0)
    lab.find_issues(features=vectors, issue_types={"label": {}})
    issues = lab.get_issues("label")
    found["datalab|score"] = 1 - issues["label_score"].to_numpy()
    found["datalab|flag"] = issues["is_label_issue"].to_numpy()
    return found


def fastdup_labels(vectors: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Score a label by how few of the similar images that fastdup lists share it."""
    names, run = fastdup_run(vectors, labels)
    pairs = run.similarity()
    number = {name: row for row, name in enumerate(names)}
    a = pairs["filename_from"].map(lambda p: number[Path(p).name]).to_numpy()
    b = pairs["filename_to"].map(lambda p: number[Path(p).name]).to_numpy()
    total = np.bincount(a, minlength=len(labels))
    same = np.bincount(a, labels[a] == labels[b], minlength=len(labels))
    return {"label_score|score": 1 - np.divide(same, total, out=np.ones(len(labels)), where=total > 0)}


def fastdup_run(vectors: np.ndarray, labels: np.ndarray) -> tuple[list[str], Any]:
    """Run fastdup on vectors; returns the names it knows the images by, and the run."""
    import fastdup as tool
    import pandas as pd

    names = [f"{number:06}.jpg" for number in range(len(labels))]
    table = pd.DataFrame({"filename": names, "label": labels.astype(str)})
    run = tool.create(work_dir=tempfile.mkdtemp(dir=Path.cwd()), input_dir=".")
    options = {"threshold": 0.0, "nearest_neighbors_k": NEIGHBOURS, "ccthreshold": 0.99, "overwrite": True}
    run.run(annotations=table, embeddings=vectors.astype(np.float32), **options)
    return names, run


def cleanlab_outliers(vectors: np.ndarray) -> dict[str, np.ndarray]:
    from cleanlab import Datalab
    from cleanlab.outlier import OutOfDistribution

    found = {"OutOfDistribution|score": 1 - OutOfDistribution().fit_score(features=vectors, verbose=False)}
    lab = Datalab({"number": np.arange(len(vectors))}, verbosity=0)
    lab.find_issues(features=vectors, issue_types={"outlier": {}})
    issues = lab.get_issues("outlier")
    found["datalab|score"] = 1 - issues["outlier_score"].to_numpy()
    found["datalab|flag"] = issues["is_outlier_issue"].to_numpy()
    return found


def fastdup_outliers(vectors: np.ndarray) -> dict[str, np.ndarray]:
    """Take the images that fastdup lists, the least similar to their nearest first; others come after."""
    names, run = fastdup_run(vectors, np.zeros(len(vectors), dtype=np.int64))
    listed = run.outliers()
    number = {name: row for row, name in enumerate(names)}
    rows = listed["filename_outlier"].map(lambda p: number[Path(p).name]).to_numpy()
    score = np.full(len(vectors), -1.0)
    np.maximum.at(score, rows, 1 - listed["distance"].to_numpy())
    return {"outliers|score": score, "outliers|flag": score > -1}


TASKS = {
    ("cleanlab", "labels"): cleanlab_labels,
    ("fastdup", "labels"): fastdup_labels,
    ("cleanlab", "outliers"): cleanlab_outliers,
    ("fastdup", "outliers"): fastdup_outliers,
}


def main(tool: str, task: str, source: str, target: str) -> None:
    warnings.filterwarnings("ignore")
    found: dict[str, np.ndarray] = {}
    started = time.process_time()
    with np.load(source) as data, tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        ending = "|labels" if task == "labels" else "|vectors"
        for key in [name for name in data.files if name.endswith(ending)]:
            case = key.removesuffix(ending)
            given = (data[f"{case.split('|')[0]}|vectors"], data[key]) if task == "labels" else (data[key],)
            arrays = TASKS[tool, task](*given)
            found |= {f"{case}|{tool} {name}": values for name, values in arrays.items()}
    found["seconds"] = np.array(time.process_time() - started)
    np.savez(target, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
