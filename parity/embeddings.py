"""Compares embeddings that Tunesmith computed with those of sentence-transformers.

    python parity/embeddings.py MODEL-FOLDER FILE

FILE is JSON with `sentences` and `embeddings`. Prints max |difference| and the least cosine; exits with 1 above 1e-5.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer

torch.set_num_threads(1)


def main() -> None:
    folder, file = sys.argv[1:]
    recorded = json.loads(Path(file).read_text())
    model = SentenceTransformer(folder, device='cpu')
    theirs = torch.tensor(model.encode(recorded['sentences'], batch_size=4))
    ours = torch.tensor(recorded['embeddings'])
    error = (ours - theirs).abs().max().item()
    cosine = torch.nn.functional.cosine_similarity(ours, theirs).min().item()
    versions = {name: version(name) for name in ('torch', 'transformers', 'sentence-transformers')}
    result = {'shape': list(theirs.shape), 'largestDifference': error, 'leastCosine': cosine, 'versions': versions}
    print(json.dumps(result))
    # A NaN compares as false, and so fails here too.
    sys.exit(0 if error <= 1e-5 else 1)


if __name__ == '__main__':
    main()
