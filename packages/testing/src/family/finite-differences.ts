import {
  elementCount,
  type Handle,
  type HostTensor,
  logProbabilities,
  type Named,
  type Program,
  type ProgramIO,
  randomKey,
  randomNormal,
  type Tensor,
  tf,
} from '@tunesmith/core';
import { type FamilyInputs, inputSpecs, type LoadedModel, logitsOf, openRun, runOnce } from './family-run.js';

/** The length of a step along a direction, in weights' units: the loss then moves well above its rounding. */
const step = 1e-2;

/** Mean cross entropy of each token at the place before it; of a class for each row, or token, where such are classified. */
function meanLoss(
  io: ProgramIO,
  loaded: LoadedModel,
  inputs: FamilyInputs,
  options: { checkpointBlocks: boolean; values?: ReadonlyMap<Handle, Tensor> },
): Tensor {
  const { model, parameters } = loaded;
  const { t, columns } = openRun(io, loaded, inputs, {
    checkpointBlocks: options.checkpointBlocks,
    read: (handle) => options.values?.get(handle) ?? parameters.readIn(io, handle),
  });
  const [rows = 0, length = 0] = inputs.ids.shape;
  const { labels: classes, task } = model.head;
  const isFilled = (index: number): boolean => inputs.segments?.data[index] !== 0;
  if (classes > 0) {
    const each = tf.reshape(logitsOf(model, t, columns, inputs), [-1, classes]);
    const isOfTokens = task === 'token-classification' || task === 'question-answering';
    const read = Array.from({ length: each.shape[0] as number }, (_, index) => index).filter(
      (index) => !isOfTokens || isFilled(index),
    );
    const wanted = tf.tensor1d(
      read.map((index) => index % classes),
      'int32',
    );
    const scores = isOfTokens ? tf.gather(each, tf.tensor1d(read, 'int32') as never) : each;
    return tf.neg(tf.mean(logProbabilities(scores, wanted)));
  }
  const predicting = Array.from({ length: rows * length }, (_, index) => index).filter(
    (index) => (index + 1) % length > 0 && isFilled(index + 1),
  );
  const at = (indices: number[]): Tensor => tf.tensor1d(indices, 'int32');
  const labels = tf.gather(tf.reshape(columns.ids, [-1]), at(predicting.map((index) => index + 1)) as never);
  return tf.neg(tf.mean(model.run(t, columns).logProbs(at(predicting), labels)));
}

/** The gradients of the loss with respect to handles, by key. */
export async function gradients(
  loaded: LoadedModel,
  inputs: FamilyInputs,
  handles: readonly Handle[],
  checkpointBlocks: boolean,
): Promise<Named<HostTensor>> {
  const program: Program = {
    name: checkpointBlocks ? 'gradients of checkpointed blocks' : 'gradients',
    inputs: inputSpecs(inputs),
    body(io) {
      const values = handles.map((handle) => loaded.parameters.readIn(io, handle));
      const loss = (...given: Tensor[]): Tensor =>
        meanLoss(io, loaded, inputs, {
          checkpointBlocks,
          values: new Map(handles.map((handle, index) => [handle, given[index] as Tensor])),
        });
      const results = tf.grads(loss)(values);
      return { outputs: Object.fromEntries(handles.map(({ key }, index) => [key, results[index] as Tensor])) };
    },
  };
  return runOnce(loaded, program, { ...inputs });
}

/**
 * For each handle the slope of the loss along one direction: as the gradient says, and as the central difference
 * (L(w + h·d) − L(w − h·d)) / 2h says. The direction leans half towards the gradient, so that the slope stands out, and
 * half at random, so that an error in any element shows.
 */
export async function slopes(
  loaded: LoadedModel,
  inputs: FamilyInputs,
  handles: readonly Handle[],
): Promise<{ path: string; byGradient: number; byDifference: number }[]> {
  const { backend, parameters } = loaded;
  const computed = await gradients(loaded, inputs, handles, false);
  const loss = await backend.compile(
    {
      name: 'loss',
      inputs: inputSpecs(inputs),
      body: (io) => ({ outputs: { loss: meanLoss(io, loaded, inputs, { checkpointBlocks: false }) } }),
    },
    parameters.tensors,
  );
  try {
    const results = [];
    for (const handle of handles) {
      const gradient = computed[handle.key]?.data as Float32Array;
      const direction = leaningDirection(gradient, handle);
      const value = Float32Array.from(await parameters.read(handle));
      const lossAt = async (distance: number): Promise<number> => {
        await parameters.write(
          handle,
          value.map((each, index) => each + distance * (direction[index] as number)),
        );
        return (await loss.run({ ...inputs })).loss?.data[0] as number;
      };
      const byDifference = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
      await parameters.write(handle, value);
      results.push({ path: handle.path, byGradient: dot(gradient, direction), byDifference });
    }
    return results;
  } finally {
    await loss.dispose();
  }
}

function leaningDirection(gradient: Float32Array, { path, shape }: Handle): Float64Array {
  const key = randomKey(3, path);
  const random = Float64Array.from({ length: elementCount(shape) }, (_, index) => randomNormal(key, index));
  // A parameter that nothing reads, such as those of an expert that no token has, leans nowhere.
  const [gradientLength, randomLength] = [Math.sqrt(dot(gradient, gradient)) || 1, Math.sqrt(dot(random, random))];
  const sum = random.map((each, index) => each / randomLength + (gradient[index] as number) / gradientLength);
  const length = Math.sqrt(dot(sum, sum));
  return sum.map((each) => each / length);
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += (a[index] as number) * (b[index] as number);
  return sum;
}
