import {
  elementCount,
  isQuantized,
  memoryTensor,
  randomKey,
  randomNormal,
  type StoredTensor,
  type TensorSource,
  TunesmithError,
} from '@tunesmith/core';
import type { DecoderConfig } from '../decoder/decoder-config.js';
import { llama } from '../llama/llama.js';
import { mistral } from '../mistral/mistral.js';

/** What becomes of a dense checkpoint. */
export interface UpcycleOptions {
  readonly experts: number;
  /** Experts that each token has. */
  readonly topK: number;
  /** What the routers are drawn by. */
  readonly seed: number;
}

export interface UpcycledModel {
  /** Mixtral's config.json. */
  readonly config: Record<string, unknown>;
  readonly tensors: Iterable<StoredTensor>;
}

/** The families whose blocks are Mixtral's but for the experts. */
const dense = [llama, mistral];
const parts: Readonly<Record<string, string>> = { gate: 'w1', up: 'w3', down: 'w2' };
/** The factor of the load-balance loss, that of Switch Transformers (Fedus et al. 2021, §2.2: α = 10⁻²). */
const balance = 0.01;

/**
 * Sparse upcycling (Komatsuzaki et al. 2022): every expert begins as the dense model's feed-forward layer, and each layer's router at
 * random, N(0, initializer_range²). A token's shares sum to 1, so that the logits are the dense model's. The result is a Mixtral
 * whose config asks for the load-balance loss.
 * @throws CONFIG_INVALID for a model whose blocks a Mixtral does not have, or fewer experts than a token is to have
 */
export function upcycle(json: Record<string, unknown>, tensors: TensorSource, options: UpcycleOptions): UpcycledModel {
  const { experts, topK } = options;
  const family = dense.find(({ modelTypes }) => modelTypes.some((type) => type === json.model_type));
  if (family === undefined) {
    throw new TunesmithError('CONFIG_INVALID', 'a mixture of experts is made of other models', {
      where: 'config.json, model_type',
      expected: dense.flatMap(({ modelTypes }) => modelTypes).join(' or '),
      got: String(json.model_type),
      hint: 'Mixtral has neither biases nor norms on queries and keys, so that only these become one.',
    });
  }
  if (topK < 1 || topK > experts) {
    throw new TunesmithError('CONFIG_INVALID', 'a token has one expert or more, and no more than there are', {
      expected: `1 to ${experts}`,
      got: String(topK),
    });
  }
  const config = family.parseConfig(json);
  if (config.bias.queryKeyValue || config.bias.mlp) {
    throw new TunesmithError('CONFIG_INVALID', 'Mixtral has no biases', {
      where: 'config.json',
      expected: '"attention_bias" and "mlp_bias" false',
      got: config.bias.mlp ? 'mlp_bias' : 'attention_bias',
    });
  }
  if (isQuantized(tensors)) {
    throw new TunesmithError('CAPABILITY_MISSING', 'the copies of a quantised layer would be codes', {
      hint: 'Take the checkpoint that it was made of, and quantise the result.',
    });
  }
  return { config: mixtralConfig(json, config, options), tensors: spread(tensors, config, options) };
}

/** Whatever Mixtral's defaults differ in from the dense family's is said. */
function mixtralConfig(
  { attention_bias: _, mlp_bias: __, pretraining_tp: ___, ...json }: Record<string, unknown>,
  config: DecoderConfig,
  { experts, topK }: UpcycleOptions,
): Record<string, unknown> {
  return {
    ...json,
    ...{ model_type: 'mixtral', architectures: ['MixtralForCausalLM'] },
    ...{ num_local_experts: experts, num_experts_per_tok: topK },
    ...{ output_router_logits: true, router_aux_loss_coef: balance },
    ...{ num_key_value_heads: config.keyHeads, head_dim: config.headDim, rms_norm_eps: config.epsilon },
    ...{ tie_word_embeddings: config.tiedEmbeddings, sliding_window: config.windows[0] ?? null },
    ...(json.rope_parameters == null && { rope_theta: config.rotary.theta }),
  };
}

function* spread(
  tensors: TensorSource,
  { layers, hiddenSize, initializerRange }: DecoderConfig,
  { experts, seed }: UpcycleOptions,
): Generator<StoredTensor> {
  const inMlp = /^(model\.layers\.\d+)\.mlp\.(gate|up|down)_proj\.weight$/;
  let dtype: StoredTensor['dtype'] = 'F32';
  for (const name of tensors.names()) {
    const tensor = tensors.get(name) as StoredTensor;
    const [, block, part] = inMlp.exec(name) ?? [];
    if (block === undefined) {
      if (!name.endsWith('.rotary_emb.inv_freq')) yield tensor;
      continue;
    }
    dtype = tensor.dtype;
    for (let expert = 0; expert < experts; expert++) {
      const renamed = `${block}.block_sparse_moe.experts.${expert}.${parts[part as string]}.weight`;
      yield { name: renamed, dtype, shape: tensor.shape, read: () => tensor.read() };
    }
  }
  for (let layer = 0; layer < layers; layer++) {
    const name = `model.layers.${layer}.block_sparse_moe.gate.weight`;
    const shape = [experts, hiddenSize];
    const key = randomKey(seed, name);
    const values = Float32Array.from(
      { length: elementCount(shape) },
      (_, index) => initializerRange * randomNormal(key, index),
    );
    yield memoryTensor(name, shape, values, dtype);
  }
}
