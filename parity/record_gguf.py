"""Records what gguf-py and transformers make of tiny GGUF files: values of every type, logits, token ids.

Run from the repository: python parity/record_gguf.py
"""

import hashlib
import json
import pathlib

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

torch.set_num_threads(1)
here = pathlib.Path(__file__).parent / "fixtures/gguf"
here.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(7)
Type = gguf.GGMLQuantizationType

corpus = ["the cat sat on the mat and the dog ran after the cat's tail, then they both slept."] * 4
texts = ["the cat sat", " the dog's tail, then\n\n  they  SLEPT ", "naïve ünïcode 猫 🙂", "a1 b2"]  # Of SentencePiece's, none that begins with a space: transformers has one space fewer than Llama's own.
specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"


def digits_apart():
    """How SmolLM's own tokenizer.json cuts texts."""
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )


def byte_level():
    """A tokenizer of 300 tokens, with its own ids of the texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = digits_apart()
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def add_byte_level(writer, tokenizer, pre):
    definition = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(definition["vocab"], key=definition["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in specials else 1 for token in tokens])
    writer.add_token_merges([" ".join(merge) for merge in definition["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_chat_template(template)


def add_sentence_piece(writer):
    """Bytes, letters and a few words, of greater score the longer: 300 tokens."""
    words = ["▁the", "▁cat", "▁t", "he", "at", "▁s", "▁sat", "▁", *"abcdefghijklmnopqrstuvwxyz,.'", "en"]
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *words, "▁do", "th"]
    pieces += [f"<pad{index}>" for index in range(300 - len(pieces))]
    kinds = [2, 3, 3, *([6] * 256)]
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(pieces)
    writer.add_token_scores([0.0] * 259 + [-float(index) for index in range(41)])
    writer.add_token_types(kinds + [1] * (300 - len(kinds)))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)


def paired(weights, heads):
    """Rows of each head as llama.cpp's converter turns them (conversion/llama.py, `permute`)."""
    return weights.reshape(heads, 2, weights.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(weights.shape)


def super_blocks(kind, rows, columns):
    """Random codes with scales near a weight's: gguf-py reads these types and writes none of them."""
    size = gguf.GGML_QUANT_SIZES[kind][1]
    blocks = rng.integers(0, 256, (rows * columns // 256, size), dtype=np.uint8)
    if kind == Type.Q4_K:
        scales = np.stack([rng.uniform(1e-4, 3e-4, len(blocks)), rng.uniform(1e-4, 3e-4, len(blocks))], 1)
        blocks[:, :4] = scales.astype(np.float16).view(np.uint8)
    else:
        blocks[:, 208:] = rng.uniform(1e-5, 3e-5, (len(blocks), 1)).astype(np.float16).view(np.uint8)
    return blocks.reshape(rows, -1)


def record(name, config, types, tokenizer, pre):
    torch.manual_seed(3)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(5) if weight.dim() == 2 else weight.add_(torch.randn_like(weight), alpha=0.1)
    writer = gguf.GGUFWriter(here / f"{name}.gguf", config.model_type)
    writer.add_name(f"tiny {name}")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(20000.0)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_rope_dimension_count(head_dim)
    writer.add_key_length(head_dim)
    writer.add_vocab_size(config.vocab_size)
    own = byte_level()
    add_byte_level(writer, own, pre) if tokenizer == "gpt2" else add_sentence_piece(writer)
    names = gguf.get_tensor_name_map(getattr(gguf.MODEL_ARCH, config.model_type.upper()), config.num_hidden_layers)
    for key, weight in model.state_dict().items():
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        module, end = key.rsplit(".", 1)
        target = f"{names.get_name(module)}.{end}"
        values = weight.numpy()
        if config.model_type == "llama" and module.endswith(("q_proj", "k_proj")):
            heads = config.num_attention_heads if module.endswith("q_proj") else config.num_key_value_heads
            values = paired(values, heads)
        kind = types.get(target.split(".")[-2], Type.F16) if values.ndim == 2 else Type.F32
        if kind in (Type.Q4_K, Type.Q6_K):
            writer.add_tensor(target, super_blocks(kind, *values.shape), raw_dtype=kind)
        elif kind in (Type.F32, Type.F16):
            writer.add_tensor(target, values.astype(np.float32 if kind == Type.F32 else np.float16))
        else:
            writer.add_tensor(target, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    reader = gguf.GGUFReader(here / f"{name}.gguf")
    hashes = {}
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        hashes[tensor.name] = [tensor.tensor_type.name, hashlib.sha256(values.tobytes()).hexdigest()]
    loaded = transformers.AutoModelForCausalLM.from_pretrained(here, gguf_file=f"{name}.gguf", dtype=torch.float32)
    loaded.eval()
    ids = torch.randint(0, config.vocab_size, (2, 16), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        logits = loaded(input_ids=ids).logits
    save_file({"input_ids": ids.float(), "logits": logits}, here / f"{name}.safetensors")
    theirs = transformers.AutoTokenizer.from_pretrained(here, gguf_file=f"{name}.gguf")
    read = ["hidden_size", "num_key_value_heads", "rms_norm_eps", "tie_word_embeddings", "vocab_size"]
    return {
        "tensors": hashes,
        "config": {key: getattr(loaded.config, key) for key in read},
        "texts": [{"text": text, "ids": theirs.encode(text)} for text in texts if pre != "default" or text[0] != " "],
        **({"numbers": {"text": "in 1234, 5.6", "ids": own.encode("in 1234, 5.6").ids}} if pre == "smollm" else {}),
    }


shared = dict(
    vocab_size=300, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=64, rms_norm_eps=1e-5, rope_parameters={"rope_type": "default", "rope_theta": 20000.0},
)  # fmt: skip
small = dict(shared, hidden_size=64, intermediate_size=96)
# transformers reads no head_dim of Qwen3's files, and takes its default.
few = dict(small, num_attention_heads=2, num_key_value_heads=1)
every = {
    "token_embd": Type.Q4_0, "attn_q": Type.Q4_0, "attn_k": Type.Q4_1, "attn_v": Type.F32, "attn_output": Type.Q8_0,
    "ffn_gate": Type.Q4_K, "ffn_up": Type.Q6_K, "ffn_down": Type.BF16,
}  # fmt: skip
meta = {
    "versions": {module.__name__: module.__version__ for module in (transformers, torch)} | {"gguf": "0.19.0"},
    "files": {
        "llama": record(
            "llama",
            transformers.LlamaConfig(
                **shared, hidden_size=256, intermediate_size=256, head_dim=16, tie_word_embeddings=True
            ),
            every, "gpt2", "smollm",
        ),
        "qwen2": record(
            "qwen2", transformers.Qwen2Config(**small, tie_word_embeddings=True), {}, "gpt2", "qwen2"
        ),
        "qwen3": record(
            "qwen3", transformers.Qwen3Config(**few, head_dim=128, tie_word_embeddings=False), {}, "llama", "default"
        ),
    },
}  # fmt: skip
(here / "meta.json").write_text(json.dumps(meta, indent=1) + "\n")
