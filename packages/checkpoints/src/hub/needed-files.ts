import { TunesmithError } from '@tunesmith/core';
import {
  configFile,
  generationConfigFile,
  sentenceFiles,
  tokenizerFiles,
  weightIndexFile,
  weightsFile,
} from '../model-folder/folder-files.js';
import { isPickle, pickleError } from '../model-folder/pickle.js';

/** Which of a repository's files make up a model. */
export interface NeededFiles {
  /** Config and tokenizer. */
  readonly small: readonly string[];
  /** One weight file, or the index that names several. */
  readonly weights: { readonly file: string } | { readonly index: string };
}

/**
 * Chooses what a model folder needs from a repository's list of files: no pickles, no second copies in other formats.
 * @throws FILE_MISSING, or FILE_INVALID when the weights are only there as pickles
 */
export function neededFiles(present: readonly string[], where: string): NeededFiles {
  if (!present.includes(configFile)) {
    throw new TunesmithError('FILE_MISSING', `the repository has no ${configFile}`, {
      where,
      hint: 'Is it a model for transformers?',
    });
  }
  const named = [configFile, generationConfigFile, ...tokenizerFiles, ...sentenceFiles].filter((name) =>
    present.includes(name),
  );
  // What modules.json names has a folder of its own, such as 1_Pooling.
  const small = [...named, ...present.filter((name) => /^\d+_\w+\/config\.json$/.test(name))];
  if (present.includes(weightsFile)) return { small, weights: { file: weightsFile } };
  if (present.includes(weightIndexFile)) return { small, weights: { index: weightIndexFile } };
  const pickle = present.find(isPickle);
  if (pickle !== undefined) throw pickleError(`${where}/${pickle}`);
  throw new TunesmithError('FILE_MISSING', 'the repository holds no weights', {
    where,
    expected: `${weightsFile} or ${weightIndexFile}`,
  });
}
