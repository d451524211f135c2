"""Makes vectors of texts as embedder-roundtrip.ts did, and compares.

    python parity/embedder_roundtrip.py make MODEL FOLDER      saves an adapter of PEFT's, over every linear layer, with random values
    python parity/embedder_roundtrip.py compare MODEL FOLDER   FOLDER has ours.json, and run/adapter and merged, or is an adapter

Prints max |difference| over the largest value; exits with 1 above 1e-5.
"""

import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, PeftModelForFeatureExtraction, get_peft_model
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import AutoModel, AutoTokenizer, logging

from recording import generator, normal

logging.set_verbosity_error()


def difference(theirs: torch.Tensor, ours: list[dict]) -> float:
    found = torch.tensor([row['embedding'] for row in ours])
    return ((found - theirs).abs().max() / theirs.abs().max()).item()


@torch.no_grad()
def vectors(model, tokenizer, texts: list[str], pooling: str, normalize: bool) -> torch.Tensor:
    found = []
    for text in texts:
        inputs = tokenizer(text, return_tensors='pt')
        states = model(**{key: inputs[key] for key in ('input_ids', 'attention_mask')}).last_hidden_state
        pool = Pooling(states.shape[-1], pooling)
        found.append(pool({'token_embeddings': states, 'attention_mask': inputs['attention_mask']})['sentence_embedding'][0])
    stacked = torch.stack(found)
    return torch.nn.functional.normalize(stacked) if normalize else stacked


def make(model: str, folder: str) -> None:
    peft = get_peft_model(AutoModel.from_pretrained(model), LoraConfig(r=4, target_modules='all-linear', task_type='FEATURE_EXTRACTION'))
    gen = generator(7)
    with torch.no_grad():
        for name, parameter in peft.named_parameters():
            if 'lora_' in name:
                parameter.copy_(normal(gen, *parameter.shape, std=0.2))
    peft.save_pretrained(folder)


def compare(path: str, folder: str) -> None:
    folder = Path(folder)
    ours = json.loads((folder / 'ours.json').read_text())
    texts = [row['text'] for row in ours['adapted']]
    adapter = folder / 'run' / 'adapter' if (folder / 'run').exists() else folder
    manifest = adapter / 'tunesmith.json'
    said = json.loads(manifest.read_text())['objective'] if manifest.exists() else {}
    pooling = said.get('pooling') or ('mean' if Path(path).name == 'bert' else 'lasttoken')
    tokenizer = AutoTokenizer.from_pretrained(path)
    peft = PeftModel.from_pretrained(AutoModel.from_pretrained(path), adapter).eval()
    assert isinstance(peft, PeftModelForFeatureExtraction), type(peft)
    found = {'adapted': difference(vectors(peft, tokenizer, texts, pooling, said.get('normalize', False)), ours['adapted'])}
    # Not what an adapter without effect gives.
    plain = vectors(AutoModel.from_pretrained(path).eval(), tokenizer, texts, pooling, said.get('normalize', False))
    assert difference(plain, ours['adapted']) > 1e-3, 'the adapter does nothing'
    if 'merged' in ours:
        merged = folder / 'merged'
        bare, report = AutoModel.from_pretrained(merged, output_loading_info=True)
        missing = [key for key in report['missing_keys'] if 'pooler' not in key]
        assert not missing and not report['unexpected_keys'], report
        found['merged, transformers'] = difference(
            vectors(bare.eval(), tokenizer, texts, pooling, said.get('normalize', False)), ours['merged']
        )
        sentences = SentenceTransformer(str(merged), device='cpu')
        theirs = torch.tensor(sentences.encode(texts, batch_size=1))
        found['merged, sentence-transformers'] = difference(theirs, ours['merged'])
    print(json.dumps({'case': folder.name, 'pooling': pooling, **found}))
    # A NaN compares as false, and so fails here too.
    sys.exit(0 if all(each <= 1e-5 for each in found.values()) else 1)


if __name__ == '__main__':
    {'make': make, 'compare': compare}[sys.argv[1]](*sys.argv[2:])
