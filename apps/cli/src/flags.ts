import { type Command, InvalidArgumentError, Option } from 'commander';

export const devices = ['cpu', 'webgpu', 'cuda', 'tfjs'] as const;

/** Flags of the commands that take a recipe. */
export interface RecipeFlags {
  readonly model?: string;
  readonly quantization?: string;
  readonly data?: string[];
  readonly validation?: string[];
  readonly method?: string[];
  readonly set?: string[];
  readonly plugin?: string[];
  readonly steps?: number;
  readonly epochs?: number;
  readonly seed?: number;
  readonly device?: string;
  readonly output?: string;
}

export function addRecipeFlags(command: Command): Command {
  return command
    .argument(
      '[recipe]',
      'recipe file: YAML, JSON or TypeScript (a TypeScript recipe executes code); flags win over it',
    )
    .option('--model <folder|file|name>', 'model folder, GGUF file, or name on the Hugging Face Hub')
    .addOption(
      quantizationOption(
        'keep the base’s matrices in 4 bits, nf4, fp4, q4_0 or q4_1, or in 8: int8, q8_0; none: not, whatever the method or the checkpoint has',
      ),
    )
    .option('--data <file>', 'training data; repeatable', collect)
    .option(
      '--validation <file|share>',
      'held-out data, or a share of the training rows such as 0.1; repeatable',
      collect,
    )
    .option('--method <name>', 'fine-tuning method (`tunesmith plugins` lists those installed); repeatable', collect)
    .addOption(settingOption())
    .addOption(pluginOption())
    .option('--steps <n>', 'optimizer steps', wholeNumber)
    .option('--epochs <n>', 'passes over the data, where no steps are given', positiveNumber)
    .option('--seed <n>', 'seed of everything random', wholeNumber)
    .addOption(deviceOption())
    .option('--output <folder>', 'folder of the new run')
    .addHelpText('after', '\nEvery key of a recipe, for --set: tunesmith schema --markdown');
}

/** Flags of the commands that take a model with adapters. */
export interface ModelFlags {
  readonly model: string;
  readonly quantization?: string;
  readonly revision?: string;
  readonly adapter?: string[];
  readonly plugin?: string[];
  readonly device: (typeof devices)[number];
}

export function addModelFlags(command: Command, base = 'as the adapters were trained over it'): Command {
  return addOptionalModelFlags(command, base, true);
}

/** The same, of a command that may find the model elsewhere. */
export function addOptionalModelFlags(command: Command, base: string, required = false): Command {
  const model = new Option('--model <folder|file|name>', 'model folder, GGUF file, or name on the Hugging Face Hub');
  return command
    .addOption(model.makeOptionMandatory(required))
    .option('--revision <name>', 'branch, tag or commit on the Hub')
    .addOption(
      quantizationOption(
        `how the base is kept: none, nf4, fp4, int8, q8_0, q4_0 or q4_1, as an adapter of that type has it; if not said, ${base}`,
      ),
    )
    .addOption(new Option('--adapter <folder>', 'adapter to put on it; repeatable').argParser(collect))
    .addOption(pluginOption())
    .addOption(deviceOption().default('cpu'));
}

function quantizationOption(description: string): Option {
  return new Option('--quantization <type>', `${description} (or settings: {type: nf4, blockSize: 128})`);
}

export function settingOption(): Option {
  return new Option('--set <path=value>', 'any key of the recipe, such as --set lora.rank=16; repeatable').argParser(
    collect,
  );
}

export function pluginOption(): Option {
  return new Option('--plugin <package|file>', 'import methods from here (it executes code); repeatable').argParser(
    collect,
  );
}

export function deviceOption(description = 'what computes'): Option {
  return new Option('--device <device>', description).choices(devices);
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < 0)
    throw new InvalidArgumentError('Expected a whole number.');
  return value;
}

export function positiveNumber(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('Expected a number above 0.');
  return value;
}

export function fraction(text: string): number {
  const value = positiveNumber(text);
  if (value > 1) throw new InvalidArgumentError('Expected a number above 0 and at most 1.');
  return value;
}

/** Two learning rates with a colon between. */
export function rateRange(text: string): { from: number; to: number } {
  const [from = Number.NaN, to = Number.NaN, ...rest] = text.split(':').map(Number);
  if (rest.length > 0 || !(from > 0 && from < to && to < Number.POSITIVE_INFINITY)) {
    throw new InvalidArgumentError('Expected two rates, the lower one first, such as 1e-7:1e-3.');
  }
  return { from, to };
}

/** Options that may be given several times gather in a list; a list after one option would swallow the arguments. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}
