import { type GgufContents, type GgufLayout, type StoredTensor, TunesmithError } from '@tunesmith/core';

export interface DecoderGgufOptions {
  /** `general.architecture`, the prefix of the metadata, and the family's `model_type`. */
  readonly architecture: string;
  /** The class that transformers loads it by. */
  readonly className: string;
  /** Whether llama.cpp's converter turns the rows of queries and keys from halves to pairs (`permute`). */
  readonly pairedRotary?: boolean;
  /** Keys of the config that say whether there are biases, for families that leave it open. */
  readonly biases?: { readonly attention_bias?: string; readonly mlp_bias?: string };
}

type Json = Record<string, unknown>;

/** gguf-py/gguf/tensor_mapping.py: llama.cpp's names of modules, and transformers'. */
const modules: Readonly<Record<string, string>> = {
  token_embd: 'model.embed_tokens',
  output_norm: 'model.norm',
  output: 'lm_head',
};
const blockModules: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

/** GGUF files of the families that are built like Llama. */
export function decoderGguf(options: DecoderGgufOptions): GgufLayout {
  return {
    architecture: options.architecture,
    read(contents) {
      const config = configOf(contents, options);
      const names = new Map(contents.tensors.names().map((name) => [nameOf(name), name]));
      const { num_attention_heads: heads, num_key_value_heads: keyHeads } = config as Record<string, number>;
      const get = (name: string): StoredTensor | undefined => {
        const tensor = contents.tensors.get(names.get(name) ?? '');
        if (tensor === undefined) return undefined;
        const { codes, ...values } = tensor;
        // What lies outside the blocks, embeddings and the head, is not multiplied by codes.
        if (!name.startsWith('model.layers.')) return { ...values, name };
        const turned = options.pairedRotary ? /\.([qk])_proj\.(weight|bias)$/.exec(name) : null;
        if (turned === null) return { ...tensor, name };
        return { ...halved(tensor, (turned[1] === 'q' ? heads : keyHeads) as number), name };
      };
      return { config, tensors: { names: () => [...names.keys()], get } };
    },
  };
}

function nameOf(name: string): string {
  const block = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name);
  const [, layer, module = '', end] = block ?? [];
  const inBlock = blockModules[module];
  if (inBlock !== undefined) return `model.layers.${layer}.${inBlock}.${end}`;
  const [outside = '', rest = ''] = name.split('.');
  return modules[outside] === undefined ? name : `${modules[outside]}.${rest}`;
}

/**
 * Rows of each head as pairs (0, 1), (2, 3), … that rotary turns together, to transformers' (0, d/2), (1, d/2 + 1), …, of the
 * values and of codes, whose parts are of single rows each.
 */
function halved(tensor: StoredTensor, heads: number): StoredTensor {
  const [rows = 1] = tensor.shape;
  const halve = (bytes: Uint8Array): Uint8Array => {
    const [width, headDim] = [bytes.length / rows, rows / heads];
    const paired = bytes.slice();
    for (let row = 0; row < rows; row++) {
      const [head, place] = [Math.floor(row / headDim), row % headDim];
      const pair = place % (headDim / 2);
      const from = head * headDim + 2 * pair + (place < headDim / 2 ? 0 : 1);
      bytes.set(paired.subarray(from * width, (from + 1) * width), row * width);
    }
    return bytes;
  };
  const { codes } = tensor;
  return {
    ...tensor,
    read: async () => halve(await tensor.read()),
    ...(codes && {
      codes: {
        codec: codes.codec,
        async read() {
          const parts = await codes.read();
          for (const { data } of Object.values(parts)) {
            halve(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
          }
          return parts;
        },
      },
    }),
  };
}

/** The metadata under transformers' names; gguf-py/gguf/constants.py, `Keys`. */
function configOf({ metadata, tensors }: GgufContents, options: DecoderGgufOptions): Json {
  const { architecture, className, biases = {} } = options;
  const has = (name: string): boolean => tensors.get(name) !== undefined;
  const number = (key: string): number | undefined => {
    const value = metadata[key];
    return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : undefined;
  };
  const own = (key: string): number | undefined => number(`${architecture}.${key}`);
  const needed = (key: string): number => {
    const value = own(key);
    if (value !== undefined) return value;
    const got = String(metadata[`${architecture}.${key}`] ?? 'nothing').slice(0, 40);
    throw new TunesmithError('FILE_INVALID', "the file's metadata lack what the model is built by", {
      where: `${architecture}.${key}`,
      expected: 'a number',
      got,
    });
  };
  refuse(metadata, architecture);
  const heads = needed('attention.head_count');
  const hidden = needed('embedding_length');
  const headDim = own('attention.key_length') ?? hidden / heads;
  const rotated = own('rope.dimension_count') ?? headDim;
  const scaling = metadata[`${architecture}.rope.scaling.type`];
  const stated = (bias: string | undefined): boolean | undefined =>
    bias === undefined ? undefined : has(`blk.0.${bias}`);
  return given({
    model_type: architecture,
    architectures: [className],
    vocab_size: tensors.get('token_embd.weight')?.shape[0],
    hidden_size: hidden,
    intermediate_size: needed('feed_forward_length'),
    num_hidden_layers: needed('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: own('attention.head_count_kv') ?? heads,
    head_dim: headDim,
    max_position_embeddings: needed('context_length'),
    rms_norm_eps: decimal(needed('attention.layer_norm_rms_epsilon')),
    rope_theta: decimal(own('rope.freq_base') ?? 10_000),
    rope_scaling:
      scaling === undefined || scaling === 'none'
        ? undefined
        : given({ rope_type: scaling, factor: own('rope.scaling.factor') }),
    partial_rotary_factor: rotated === headDim ? undefined : rotated / headDim,
    hidden_act: 'silu',
    tie_word_embeddings: !has('output.weight'),
    attention_bias: stated(biases.attention_bias),
    mlp_bias: stated(biases.mlp_bias),
    bos_token_id: number('tokenizer.ggml.bos_token_id'),
    eos_token_id: number('tokenizer.ggml.eos_token_id'),
    pad_token_id: number('tokenizer.ggml.padding_token_id'),
  });
}

/** What models of this architecture may have beside what a decoder of ours computes. */
function refuse(metadata: Json, architecture: string): void {
  for (const key of ['expert_count', 'attention.sliding_window']) {
    const value = metadata[`${architecture}.${key}`];
    if (value === undefined || Number(value) === 0) continue;
    throw new TunesmithError('CONFIG_INVALID', 'a GGUF file of such a model is not read', {
      where: `${architecture}.${key}`,
      expected: 'nothing',
      got: String(value),
      hint: 'Give the folder of the model as transformers has it.',
    });
  }
}

/** The decimal number that a float32 was written as: 1e-5, where the float32 is 9.99999974…e-6. */
function decimal(value: number): number {
  return Number(value.toPrecision(7));
}

function given(values: Json): Json {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
