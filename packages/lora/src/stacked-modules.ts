/**
 * PEFT's `target_parameters`: LoRA over parameters in which transformers keeps the matrices of several modules, such as a layer's
 * experts. A [experts · rank, in] and B [out, rank · experts] hold one LoRA for each expert, B's columns rank by rank; where a
 * parameter holds two matrices of an expert one below the other, these share A (peft/tuners/lora/layer.py, ParamWrapper). Here each
 * module has factors of its own.
 */
import {
  memoryTensor,
  type PatchedModel,
  peftName,
  readFloat32,
  type StackedModules,
  type StoredTensor,
  type TensorSource,
  TunesmithError,
} from '@tunesmith/core';

/** A module's place in a parameter of a stack. */
interface Place {
  readonly path: string;
  /** Name of the module among its expert's, such as `w1`. */
  readonly leaf: string;
  /** The stack's path in transformers, and which of its parameters. */
  readonly container: string;
  readonly parameter: string;
  readonly index: number;
  /** Which of the matrices that lie one below the other. */
  readonly part: number;
}

/** The linear modules of a model that lie in stacks. */
function placesOf({ sites, stackedModules }: PatchedModel): Place[] {
  if (stackedModules === undefined) return [];
  return sites.flatMap(({ kind, path }) => (kind === 'linear' ? (placeOf(path, stackedModules) ?? []) : []));
}

function placeOf(path: string, { modules, stackedIn, parameters }: StackedModules): Place | undefined {
  const start = path.indexOf(`.${modules}.`);
  const [index = '', leaf = ''] = path.slice(start + modules.length + 2).split('.');
  const parameter = Object.keys(parameters).find((name) => parameters[name]?.includes(leaf));
  if (start < 0 || parameter === undefined) return undefined;
  const part = (parameters[parameter] as readonly string[]).indexOf(leaf);
  return { path, leaf, container: `${path.slice(0, start)}.${stackedIn}`, parameter, index: Number(index), part };
}

const nameOf = ({ container, parameter }: Place): string => `${container}.${parameter}`;

function targetedPlaces(targets: readonly string[], model: PatchedModel): Place[] {
  const places = placesOf(model);
  const matches = (place: Place, target: string): boolean => `.${nameOf(place)}`.endsWith(`.${target}`);
  for (const target of targets) {
    if (places.some((place) => matches(place, target))) continue;
    const known = [...new Set(places.map(({ parameter }) => `${model.stackedModules?.stackedIn}.${parameter}`))];
    throw new TunesmithError('NAME_UNKNOWN', `"${target}" is no parameter that holds the weights of several modules`, {
      where: 'lora.targetParameters',
      expected: known.length > 0 ? known.join(' or ') : 'none: this family has no such parameters',
      got: target,
      hint: 'Name single modules in lora.targetModules.',
    });
  }
  return places.filter((place) => targets.some((target) => matches(place, target)));
}

/** The modules that parameters stand for: their names where all of a name are meant, as PEFT converts them, or their paths. */
export function modulesOf(targets: readonly string[], model: PatchedModel): string[] {
  const places = targetedPlaces(targets, model);
  const count = (of: readonly Place[], leaf: string): number => of.filter((place) => place.leaf === leaf).length;
  const all = placesOf(model);
  return [...new Set(places.map(({ leaf, path }) => (count(places, leaf) === count(all, leaf) ? leaf : path)))];
}

/** A file's tensors, those of parameters in parts, one for each module. Files that name the modules stay as they are. */
export async function unstacked(
  file: TensorSource,
  targets: readonly string[],
  model: PatchedModel,
): Promise<TensorSource> {
  const tensors = new Map(file.names().map((name) => [name, file.get(name) as StoredTensor]));
  const targeted = targetedPlaces(targets, model);
  const names = new Set(targeted.map(nameOf));
  for (const name of names) {
    const places = targeted.filter((place) => nameOf(place) === name);
    const { container, parameter } = places[0] as Place;
    const order = Object.keys(model.stackedModules?.parameters ?? {});
    // PEFT wraps a stack once for each parameter, the first innermost.
    const outer = order.slice(order.indexOf(parameter) + 1).filter((each) => names.has(`${container}.${each}`));
    const inFile = (factor: string): string =>
      peftName(`${container}.${'base_layer.'.repeat(outer.length)}${factor}.weight`);
    const [a, b] = [tensors.get(inFile('lora_A')), tensors.get(inFile('lora_B'))];
    if (a === undefined || b === undefined) continue;
    tensors.delete(inFile('lora_A'));
    tensors.delete(inFile('lora_B'));
    for (const tensor of await factorsOf(places, a, b)) tensors.set(tensor.name, tensor);
  }
  return { names: () => [...tensors.keys()], get: (name) => tensors.get(name) };
}

/** The factors of each module: A [experts · rank, in] → [rank, in], and its rows of B [parts · out, rank · experts] → [out, rank]. */
async function factorsOf(places: readonly Place[], a: StoredTensor, b: StoredTensor): Promise<StoredTensor[]> {
  const [count, parts] = [
    1 + Math.max(...places.map(({ index }) => index)),
    1 + Math.max(...places.map((p) => p.part)),
  ];
  const [rows = 0, width = 0] = a.shape;
  const [rank, height] = [rows / count, (b.shape[0] ?? 0) / parts];
  if (!Number.isInteger(rank) || !Number.isInteger(height) || b.shape[1] !== rows) {
    throw new TunesmithError('SHAPE_MISMATCH', `these are no factors of ${count} modules`, {
      where: a.name,
      expected: `[${count} · rank, in] and [${parts} · out, rank · ${count}]`,
      got: `[${a.shape.join(', ')}] and [${b.shape.join(', ')}]`,
    });
  }
  const [right, left] = [await readFloat32(a), await readFloat32(b)];
  return places.flatMap(({ path, index, part }) => {
    const own = new Float32Array(height * rank);
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < rank; column++) {
        own[row * rank + column] = left[(part * height + row) * rows + column * count + index] as number;
      }
    }
    const size = rank * width;
    return [
      memoryTensor(peftName(`${path}.lora_A.weight`), [rank, width], right.slice(index * size, (index + 1) * size)),
      memoryTensor(peftName(`${path}.lora_B.weight`), [height, rank], own),
    ];
  });
}
