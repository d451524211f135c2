import { isGguf, type ModelFolder, openGguf, openModelFolder } from '@tunesmith/checkpoints';
import { type Family, TunesmithError } from '@tunesmith/core';
import { ggufTokenizer, readTokenizerFiles, type TokenizerFiles } from '@tunesmith/data';

/** An open model: a Hugging Face folder, or a GGUF file that a family reads. */
export interface OpenBase extends Pick<ModelFolder, 'path' | 'config' | 'tensors' | 'close'> {
  readTokenizer(): Promise<TokenizerFiles>;
}

/** Opens the model that a path says, without reading its weights. @throws as `openModelFolder` and `openGguf` do */
export async function openBase(path: string, families: readonly Family[]): Promise<OpenBase> {
  if (!isGguf(path)) {
    const folder = await openModelFolder(path);
    return { ...folder, readTokenizer: () => readTokenizerFiles(folder.path) };
  }
  const file = await openGguf(path);
  try {
    const architecture = file.metadata['general.architecture'];
    const layouts = families.flatMap(({ gguf }) => (gguf === undefined ? [] : [gguf]));
    const layout = layouts.find((each) => each.architecture === architecture);
    if (layout === undefined) {
      throw new TunesmithError('FILE_INVALID', 'no family reads GGUF files of this architecture', {
        where: `${path}, general.architecture`,
        expected: layouts.map((each) => each.architecture).join(', '),
        got: String(architecture),
      });
    }
    const { config, tensors } = layout.read(file);
    const readTokenizer = async (): Promise<TokenizerFiles> => ggufTokenizer(file.metadata, path);
    return { ...{ path, config, tensors, readTokenizer }, close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}
