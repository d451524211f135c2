/** An op that a backend lacks is refused by its name, its operands and the site that asks for it, backward too. */
import { defineOp, type Method, type Tensor, tf } from '@tunesmith/core';
import { tinyModel, trainTiny } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { backends } from './backends.js';
import { tinyBert, tinyGpt2, tinyLlama } from './tiny-families.js';

const site = 'layers.1.self_attn.q_proj';

/** A method that puts `f` behind the linear site of a name, with a bias so that something trains. */
function behind(target: string, f: (x: Tensor) => Tensor): Method {
  return {
    name: 'behind',
    apiVersion: 1,
    config: {},
    capabilities: { mergeable: false, identityAtInit: true, trainsBase: false },
    patchModel(patcher) {
      patcher.wrap('linear', { include: [target] }, (at) => {
        const shift = at.parameter('shift', { shape: [at.outFeatures], init: () => new Float32Array(at.outFeatures) });
        return (x, next, t) => f(tf.add(next(x), t.value(shift)));
      });
    },
  };
}
