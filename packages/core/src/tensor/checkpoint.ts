import { defineOp, ensureKernel } from './define-op.js';
import { holdBack } from './hold-back.js';
import { type Tensor, tf } from './tfjs.js';

type Block = (inputs: readonly Tensor[]) => readonly Tensor[];

const definition = {
  name: 'Checkpoint',
  compose: (inputs: readonly Tensor[], attributes: object) => (attributes as { block: Block }).block(inputs),
};

/**
 * Gradient checkpointing (Chen et al. 2016): the outputs of `block(inputs)`, of which only the inputs are kept; the
 * gradient computes the rest once more. Gradients reach what is listed in `inputs` and nothing else, so that every
 * tensor which `block` depends on, weights included, must be listed.
 */
export function checkpoint(block: Block, inputs: readonly Tensor[]): Tensor[] {
  ensureKernel(definition);
  ensureGradient();
  const result = tf.engine().runKernel<Tensor | Tensor[]>(definition.name, inputs as never, { block } as never);
  return Array.isArray(result) ? result : [result];
}

function ensureGradient(): void {
  if (tf.getGradient(definition.name) !== undefined) return;
  tf.registerGradient({
    kernelName: definition.name,
    saveAllInputs: true,
    gradFunc: (dy, inputs, attributes) => {
      const dys = Array.isArray(dy) ? dy : [dy];
      const held = inputs.map((input) => (input.dtype === 'float32' ? holdBack(input, dys[0]!) : input));
      const { block } = attributes as unknown as { block: Block };
      const gradients = onceAllAreKnown(gradientsWithin(() => block(held), held, dys));
      return Object.fromEntries(
        inputs.map((input, index) => [index, () => gradients[index] ?? tf.zerosLike(tf.cast(input, 'float32'))]),
      );
    },
  });
}

/**
 * The gradient of the block's first input, its stream, once those of the others are known. Else a compiled program may
 * run the whole backward chain before it takes a weight's gradient, and keep what every block computed again for it.
 */
function onceAllAreKnown([stream, ...others]: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
  const known = others.filter((gradient) => gradient !== undefined);
  if (stream === undefined || known.length === 0) return [stream, ...others];
  const firsts = known.map((gradient) => tf.slice(tf.reshape(gradient, [-1]), [0], [1]));
  return [holdBack(stream, tf.addN(firsts)), ...others];
}

/** Σ⟨yᵢ, dyᵢ⟩ for the sake of its gradient, dyᵢ; the value itself is read by nobody and not computed. */
const seed = defineOp<object, readonly Tensor[]>({
  name: 'GradientSeed',
  compose: () => [tf.scalar(0)],
  gradient: (_, inputs) =>
    inputs.map((_input, index) => {
      const dy = inputs[index + inputs.length / 2];
      return dy === undefined ? null : () => tf.clone(dy);
    }),
});

/** The gradients of Σ⟨yᵢ, dyᵢ⟩ inside another gradient, where `tf.grads` would make the engine forget the outer tape. */
function gradientsWithin(
  f: () => readonly Tensor[],
  xs: readonly Tensor[],
  dy: readonly Tensor[],
): (Tensor | undefined)[] {
  const { state } = tf.engine();
  const outerTape = state.activeTape;
  try {
    return tf.engine().gradients(() => seed([...f(), ...dy], {})[0], [...xs], undefined, true).grads;
  } finally {
    state.activeTape = outerTape;
  }
}
