import { type Derived, type Handle, normal, type Patcher, tf, zeros } from '@tunesmith/core';
import { prefixShape, prefixSites } from './attention-prefix.js';
import { dense } from './dense.js';

interface PrefixOptions {
  readonly virtualTokens: number;
  readonly projection: boolean;
  readonly projectionSize?: number | undefined;
  readonly init?: 'random' | 'zero';
}

/**
 * A prefix for all layers, `[tokens, layers · 2 · width]`: a parameter, or by projection W₂·tanh(W₁·E + b₁) + b₂ with E
 * `[tokens, width]` and W₁ `[projectionSize, width]` (peft/tuners/prefix_tuning/model.py; P-tuning-v2,
 * model/prefix_encoder.py).
 */
export function prefixOf(patcher: Patcher, method: string, options: PrefixOptions): Handle | Derived {
  const { virtualTokens: tokens, projection, init } = options;
  const { layers, width } = prefixShape(prefixSites(patcher.sites('attention')), method);
  const { projectionSize = width } = options;
  const features = layers * 2 * width;
  if (!projection) {
    const start = init === 'zero' ? zeros : normal(1);
    return patcher.parameter('prompt_embeddings', { shape: [tokens, features], init: start });
  }
  return patcher.derived('prompt_embeddings', (scope) => {
    const embedding = scope.parameter('embedding.weight', { shape: [tokens, width], init: normal(1) });
    const inner = dense(scope, 'transform.0', [width, projectionSize]);
    const outer = dense(scope, 'transform.2', [projectionSize, features], init === 'zero' ? zeros : undefined);
    return (t) => outer(t, tf.tanh(inner(t, t.value(embedding))));
  });
}
