import {
  type Program,
  randomKey,
  randomNormal,
  randomUniform,
  type Shape,
  type Tensor,
  type TensorSpec,
  tf,
} from '@tunesmith/core';

/** An input of a case: its type and how its values are drawn. */
export interface CaseInput extends TensorSpec {
  /** The value at one position, from two independent draws. */
  draw(normal: number, uniform: number): number;
}

/** One row of the table: an op over particular shapes. */
export interface OpCase {
  readonly name: string;
  readonly inputs: readonly CaseInput[];
  run(...inputs: Tensor[]): Tensor | readonly Tensor[];
  /** The largest |difference| / max(1, largest |value|) of values and gradients; whole numbers must be equal. */
  readonly tolerance: number;
  /** Whether gradients of the float inputs are compared too. */
  readonly gradient: boolean;
}

/** Standard normal. */
export const float = (...shape: number[]): CaseInput => ({ shape, dtype: 'float32', draw: (normal) => normal });
/** At least 0.1. */
export const positive = (...shape: number[]): CaseInput => ({
  shape,
  dtype: 'float32',
  draw: (normal) => Math.abs(normal) + 0.1,
});
/** Whole numbers in `from` .. `to` − 1. */
export const whole = (from: number, to: number, ...shape: number[]): CaseInput => ({
  shape,
  dtype: 'int32',
  draw: (_, uniform) => from + Math.floor(uniform * (to - from)),
});
export const flags = (...shape: number[]): CaseInput => ({
  shape,
  dtype: 'bool',
  draw: (_, uniform) => (uniform < 0.5 ? 0 : 1),
});

type Options = Partial<Pick<OpCase, 'tolerance'>>;

/** A case whose values and gradients are compared. */
export function differentiable(
  name: string,
  inputs: readonly CaseInput[],
  run: OpCase['run'],
  { tolerance = 2e-6 }: Options = {},
): OpCase {
  return { name: titled(name, inputs), inputs, run, tolerance, gradient: true };
}

/** A case of values only. */
export function valued(
  name: string,
  inputs: readonly CaseInput[],
  run: OpCase['run'],
  { tolerance = 2e-6 }: Options = {},
): OpCase {
  return { name: titled(name, inputs), inputs, run, tolerance, gradient: false };
}

function titled(name: string, inputs: readonly CaseInput[]): string {
  return `${name} ${inputs.map(({ shape }) => `[${shape}]`).join(' ')}`;
}

/** The same numbers on every machine, for a name. */
export function drawValues(name: string, shape: Shape, draw: CaseInput['draw']): number[] {
  const key = randomKey(name);
  return Array.from({ length: tf.util.sizeFromShape([...shape]) }, (_, index) =>
    draw(randomNormal(key, index), randomUniform(key, 2 ** 30 + index)),
  );
}

/** The program of a case: outputs `value.<i>`, and `gradient.<i>` of a loss that weighs every element differently. */
export function caseProgram(opCase: OpCase): Program {
  const { name, inputs, gradient } = opCase;
  return {
    name,
    inputs: Object.fromEntries(inputs.map(({ shape, dtype }, index) => [`${index}`, { shape, dtype }])),
    body: (io) => {
      const given = inputs.map((_, index) => io.input(`${index}`));
      const values = outputsOf(opCase, given);
      const outputs = Object.fromEntries(values.map((value, index) => [`value.${index}`, value]));
      if (!gradient) return { outputs };
      const trained = given.filter(({ dtype }) => dtype === 'float32');
      const loss = (...xs: Tensor[]): Tensor => {
        let next = 0;
        const mixed = given.map((each) => (each.dtype === 'float32' ? xs[next++]! : each));
        return weighted(outputsOf(opCase, mixed));
      };
      for (const [index, each] of tf
        .grads(loss as never)(trained)
        .entries())
        outputs[`gradient.${index}`] = each;
      return { outputs };
    },
  };
}

function outputsOf({ run }: OpCase, inputs: readonly Tensor[]): readonly Tensor[] {
  const result = run(...inputs);
  return Array.isArray(result) ? result : [result as Tensor];
}

function weighted(outputs: readonly Tensor[]): Tensor {
  const sums = outputs.flatMap((output, index) => {
    if (output.dtype !== 'float32') return [];
    const weights = drawValues(`upstream ${index}`, output.shape, (normal) => normal);
    return [tf.sum(tf.mul(output, tf.tensor(weights, output.shape)))];
  });
  return sums.reduce((sum, each) => tf.add(sum, each));
}

/** Looser, for functions that implementations approximate by polynomials. */
export const approximate = { tolerance: 1e-5 };
