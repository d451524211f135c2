import {
  type AdapterMethods,
  type Backend,
  buildModel,
  checkpointNames,
  createParameterStore,
  didYouMean,
  type ExpertOptions,
  type Family,
  initialiseHandles,
  isQuantized,
  loadWeights,
  type Method,
  type Model,
  type ModelOptions,
  originalWeights,
  type ParameterStore,
  type QuantizationSettings,
  quantizationOf,
  type StageState,
  type StoredDtype,
  type StoredTensor,
  TunesmithError,
  type WeightDtype,
} from '@tunesmith/core';
import { loadTokenizer, type Tokenizer } from '@tunesmith/data';
import { headOf, type ObjectiveSettings, type Objectives } from '../objective/settings.js';
import { fitVocabulary } from './fit-vocabulary.js';
import { type OpenBase, openBase } from './open-base.js';
import { withExperts } from './with-experts.js';

export interface LoadModelOptions {
  readonly path: string;
  readonly families: readonly Family[];
  readonly backend: Backend;
  readonly methods?: readonly Method[];
  /** Adapters beside them, by name, whose values are still to be read. */
  readonly adapters?: AdapterMethods;
  /** How frozen weights are held; `auto` as the checkpoint has them. */
  readonly dtype?: 'auto' | WeightDtype;
  /** How the base's matrices are kept: as settings or `dtype` say, or as the checkpoint has them if not said. */
  readonly quantization?: QuantizationSettings | 'none' | null | undefined;
  /** What is asked of a mixture of experts in training. */
  readonly experts?: ExpertOptions | undefined;
  /** Of the methods' initial values. */
  readonly seed?: number;
  /** The stage to patch the model for, of an adapter that was saved in one. */
  readonly stage?: StageState | null;
  /** What it is to be trained for or was: its head; the family's first task if not said. */
  readonly objective?: ObjectiveSettings;
  /** The plugins' objectives, where it may be one of them. */
  readonly objectives?: Objectives | undefined;
  /** Adds rows for tokens of the tokenizer that the checkpoint has none for, each the mean of those it has. */
  readonly resizeVocabulary?: boolean;
}

/** A model with its weights in a backend's store, and its tokenizer. */
export interface LoadedModel {
  readonly path: string;
  /** The model's config.json, with the size that the vocabulary has now. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Tokens that the checkpoint has rows for, where more were added; else null. */
  readonly vocabularyBefore: number | null;
  /** How the base's matrices are kept; null: as the checkpoint has them. */
  readonly quantization: QuantizationSettings | 'none' | null;
  readonly model: Model;
  readonly parameters: ParameterStore;
  readonly tokenizer: Tokenizer;
  readonly backend: Backend;
  /** Objectives of plugins, of which it may have been trained for one; none if not said. */
  readonly objectives?: Objectives | undefined;
  /** The type of each base weight in the checkpoint, by its path, or float32; what is saved again has the same. */
  storedDtype(path: string): StoredDtype;
  /** Frees the weights. */
  dispose(): void;
}

/** Opens a model, builds its family's model with the methods, and loads the weights. */
export async function loadModel(options: LoadModelOptions): Promise<LoadedModel> {
  const {
    path,
    families,
    backend,
    methods = [],
    adapters = {},
    dtype = 'auto',
    seed = 0,
    stage = null,
    objective,
  } = options;
  const { quantization = null, resizeVocabulary = false, objectives, experts } = options;
  const folder = await openBase(path, families);
  try {
    const tokenizer = await loadTokenizer(await folder.readTokenizer());
    const form = {
      ...(objective && headOf(objective, objectives)),
      ...formOf(quantization),
      checkpoint: folder.tensors,
    };
    const given = withExperts(folder.config, experts, familyOf(folder.config, path, families), path);
    const plain = describeModel(given, path, families, [], null, form);
    const resizing = { where: path, resize: resizeVocabulary };
    const { config, vocabularyBefore } = fitVocabulary(plain, given, tokenizer, resizing);
    const model = describeModel(config, path, families, methods, stage, { ...form, adapters });
    const tensors = backend.createStore();
    const parameters = createParameterStore(tensors);
    await loadWeights(model, folder.tensors, parameters, {
      ...{ dtype: heldDtype(dtype, folder), seed },
      ...(vocabularyBefore === null ? {} : { vocabularyBefore }),
    });
    await initialiseHandles(parameters, model.handles, seed, {
      tokenize: (text) => tokenizer.encode(text),
      readOriginal: originalWeights(model, folder.tensors),
    });
    return {
      path: folder.path,
      config,
      vocabularyBefore,
      quantization: quantization === 'none' && !isQuantized(folder.tensors) ? null : quantization,
      model,
      parameters,
      tokenizer,
      backend,
      objectives,
      storedDtype: (weight) => storedTensorIn(folder, model.family, weight)?.dtype ?? 'F32',
      dispose: () => tensors.dispose(),
    };
  } finally {
    await folder.close();
  }
}

/** The head that a model is to have, how its base is kept, where its weights will come from, and adapters beside it. */
export type FormOptions = Pick<ModelOptions<unknown>, 'task' | 'labels' | 'quantization' | 'checkpoint' | 'adapters'>;

/** How a recipe says that the base is kept. */
export function formOf(settings: QuantizationSettings | 'none' | null): Pick<FormOptions, 'quantization'> {
  if (settings === null) return {};
  return { quantization: settings === 'none' ? settings : quantizationOf(settings) };
}

/** The model of a config.json, patched by the methods, without its weights. @throws CONFIG_INVALID */
export function describeModel(
  config: Readonly<Record<string, unknown>>,
  where: string,
  families: readonly Family[],
  methods: readonly Method[] = [],
  stage: StageState | null = null,
  form: FormOptions = {},
): Model {
  const family = familyOf(config, where, families);
  return buildModel({ family, config: family.parseConfig(config), methods, stage, ...form });
}

/** The family that a config.json is of. @throws CONFIG_INVALID */
export function familyOf(
  { model_type: type }: Readonly<Record<string, unknown>>,
  where: string,
  families: readonly Family[],
): Family {
  const found = families.find(({ modelTypes }) => modelTypes.some((known) => known === type));
  if (found !== undefined) return found;
  throw new TunesmithError('CONFIG_INVALID', `no family takes model_type ${JSON.stringify(type) ?? 'undefined'}`, {
    where: `${where}/config.json`,
    hint: didYouMean(
      String(type),
      families.flatMap(({ modelTypes }) => modelTypes),
    ),
  });
}

/** A base weight as its checkpoint has it, by its path. */
export function storedTensorIn(
  { tensors }: Pick<OpenBase, 'tensors'>,
  family: Family,
  weight: string,
): StoredTensor | undefined {
  const names = checkpointNames(family, { path: weight });
  return names.map((name) => tensors.get(name)).find((found) => found !== undefined);
}

/** How a model's frozen weights are held: as asked for, or as most of the checkpoint has them, where programs can. */
export function heldDtype(dtype: 'auto' | WeightDtype, folder: Pick<OpenBase, 'tensors'>): WeightDtype {
  return dtype === 'auto' ? dtypeOf(folder) : dtype;
}

function dtypeOf({ tensors }: Pick<OpenBase, 'tensors'>): WeightDtype {
  const count = (dtype: StoredDtype) => tensors.names().filter((name) => tensors.get(name)?.dtype === dtype).length;
  const half = tensors.names().length / 2;
  if (count('BF16') > half) return 'bfloat16';
  return count('F16') > half ? 'float16' : 'float32';
}
