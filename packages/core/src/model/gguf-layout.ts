import type { TensorSource } from '../storage/stored-tensor.js';

/** What a GGUF file holds, as it says it: metadata by key, and tensors by llama.cpp's names. */
export interface GgufContents {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly tensors: TensorSource;
}

/** How GGUF files hold the models of a family. */
export interface GgufLayout {
  /** The `general.architecture` that it reads. */
  readonly architecture: string;
  /**
   * The model's config.json, and its tensors under transformers' names, with the rows where transformers has them.
   * @throws FILE_INVALID for metadata that are missing, CONFIG_INVALID for what the family doesn't compute
   */
  read(contents: GgufContents): { readonly config: Record<string, unknown>; readonly tensors: TensorSource };
}
