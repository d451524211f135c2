/** An op that a backend lacks is refused by its name, its operands and the site that asks for it, backward too. */
import { defineOp, type Method, type Tensor, tf } from '@tunesmith/core';
import { tinyModel, trainTiny } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { backends } from './backends.js';
import { tinyBert, tinyGpt2, tinyLlama } from './tiny-families.js';

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

const cumulative = (x: Tensor): Tensor => tf.cumprod(x, -1);

const backward = defineOp<object, readonly [Tensor]>({
  name: 'CumulativeBackward',
  compose: ([x]) => [tf.clone(x)],
  gradient: ([dy]) => [() => cumulative(dy)],
});

describe.each([
  ['llama', tinyLlama],
  ['gpt2', tinyGpt2],
  ['bert', tinyBert],
] as const)('an op without a lowering behind a module of a %s', (_, family) => {
  const refusal = async (f: (x: Tensor) => Tensor, gradientCheckpointing = false): Promise<unknown> => {
    const tiny = await tinyModel(family, [behind(family.attention, f)], backends['onnx-cpu']());
    return trainTiny(tiny, { gradientCheckpointing }).catch((error: unknown) => error);
  };
  const site = family.attention;

  it('is refused with its name, its operands, the site and the line', async () => {
    const error = await refusal(cumulative);
    expect(error).toMatchObject({ code: 'OP_UNSUPPORTED', got: expect.stringMatching(/float32\[4,\d+,\d+\]/) });
    expect(String(error)).toMatch(/Cumprod/);
    expect((error as { where: string }).where).toMatch(new RegExp(`^linear .*${site}, called by .*unsupported-op`));
  });

  it.each([false, true])('names the site of which it is the gradient; blocks recomputed: %s', async (recomputed) => {
    const error = await refusal((x) => backward([x], {})[0], recomputed);
    expect((error as { where: string }).where).toMatch(new RegExp(`^the gradient of linear .*${site}, called by `));
  });
});
