import { type MethodScope, normal, type Tensor, type Trace, tf } from '@tunesmith/core';
import { dense } from '../dense.js';
import { lstm } from '../lstm.js';
import type { PTuningConfig } from './config.js';

/**
 * Declares P-tuning's encoder of a prompt `[tokens, features]`, by PEFT's names (peft/tuners/p_tuning/model.py). With E
 * `[tokens, features]` trained: W₃·relu(W₂·relu(W₁·E)), or W₂·relu(W₁·lstm(E)), each W with its bias.
 */
export function promptEncoder(
  scope: Pick<MethodScope, 'parameter'>,
  { virtualTokens, encoder, encoderSize, encoderLayers: layers }: PTuningConfig,
  features: number,
): (t: Trace) => Tensor {
  const hidden = encoderSize ?? features;
  const embedding = scope.parameter('embedding.weight', { shape: [virtualTokens, features], init: normal(1) });
  if (encoder === 'mlp') {
    const first = dense(scope, 'mlp_head.0', [features, hidden]);
    const second = dense(scope, 'mlp_head.2', [hidden, hidden]);
    const third = dense(scope, 'mlp_head.4', [hidden, features]);
    return (t) => third(t, tf.relu(second(t, tf.relu(first(t, t.value(embedding))))));
  }
  const recurrent = lstm(scope, 'lstm_head', { inFeatures: features, hidden, layers });
  const first = dense(scope, 'mlp_head.0', [2 * hidden, 2 * hidden]);
  const second = dense(scope, 'mlp_head.2', [2 * hidden, features]);
  return (t) => second(t, tf.relu(first(t, recurrent(t, t.value(embedding)))));
}
