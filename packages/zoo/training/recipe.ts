import type { Schedule } from '@tunesmith/core';

/** Everything that decides the run beside the corpus: with these and the corpus's checksums it repeats. */
export const recipe = {
  seed: 2026,
  /** Tokens of the vocabulary, the special ones included. */
  vocabularySize: 3072,
  /** Tokens of a row. */
  rowLength: 512,
  rowsPerStep: 4,
  steps: 5200,
  /**
   * Of every so many rows, the last is of synthetic conversations, the others of the texts. The later stages mix long copies
   * in, for the first had not taught the model to look back.
   */
  stages: [
    { firstStep: 0, rowsPerSynthetic: 6, longCopies: 'none' },
    { firstStep: 1800, rowsPerSynthetic: 4, longCopies: 'dictation' },
    { firstStep: 2300, rowsPerSynthetic: 2, longCopies: 'chant' },
    { firstStep: 2700, rowsPerSynthetic: 2, longCopies: 'refrain' },
    { firstStep: 3200, rowsPerSynthetic: 4, longCopies: 'dictation' },
    { firstStep: 3600, rowsPerSynthetic: 6, longCopies: 'dictation' },
  ],
  /** What the questions of the conversations weigh in the loss; they are random words for the most part. */
  questionWeight: 0.1,
  /** How many of the texts' most frequent words the conversations draw from. */
  words: 1500,
  learningRate: 2.5e-3,
  warmupSteps: 60,
  /** How many of the last steps fall linearly to 0; between warm-up and these the rate is constant. */
  decaySteps: 1500,
  beta2: 0.95,
  weightDecay: 0.1,
  clip: 1,
} as const;

/** config.json of the model. */
export const modelConfig = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: recipe.vocabularySize,
  hidden_size: 256,
  intermediate_size: 640,
  num_hidden_layers: 4,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  head_dim: 32,
  max_position_embeddings: recipe.rowLength,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  hidden_act: 'silu',
  attention_bias: false,
  mlp_bias: false,
  tie_word_embeddings: true,
  pad_token_id: 0,
  bos_token_id: 1,
  eos_token_id: 2,
  torch_dtype: 'float16',
} as const;

/**
 * Warm-up, a constant rate, then a linear fall to 0 (Hu et al. 2024, MiniCPM, §4). Until the fall begins, the rate does not
 * depend on how long the run will be, so that a run can be made longer from any checkpoint before it.
 */
export const schedule: Schedule = (step, total) =>
  Math.min((step + 1) / recipe.warmupSteps, 1, (total - step) / recipe.decaySteps);
