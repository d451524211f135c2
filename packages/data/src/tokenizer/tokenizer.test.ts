import { mkdtemp, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { byteFallbackFiles, byteLevelFiles } from '../fixtures/tiny-tokenizers.js';
import { createTokenizer, loadTokenizer, type Tokenizer } from './tokenizer.js';
import type { JsonObject, TokenizerFiles } from './tokenizer-files.js';

const texts = [
  'the cat and a dog',
  '  two  spaces .',
  'line\n\nline\r\n',
  '你好，世界',
  'naïve 🙂👍🏽 café',
  'a\tb',
  '<0x41>',
];

const withConfig = (files: TokenizerFiles, config: JsonObject): TokenizerFiles => ({
  ...files,
  tokenizerConfig: { ...files.tokenizerConfig, ...config },
});

describe.each([
  ['byte-level', byteLevelFiles()],
  ['byte-fallback', byteFallbackFiles()],
])('a %s tokenizer', (_, files) => {
  const tokenizer = createTokenizer(files);

  it.each(texts)('gives %j back', (text) => {
    expect(tokenizer.decode(tokenizer.encode(text, { addSpecialTokens: false }))).toBe(text);
  });

  it('knows its vocabulary', () => {
    for (const id of [0, 2, 100, tokenizer.vocabSize - 1]) {
      expect(tokenizer.tokenToId(tokenizer.idToToken(id) as string)).toBe(id);
    }
    expect(tokenizer.idToToken(tokenizer.vocabSize)).toBeUndefined();
    expect(tokenizer.decode([])).toBe('');
  });

  it('streams the text of any ids: what was yielded is never revised', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const ids = seed % 2 === 0 ? randomIds(tokenizer, seed) : tokenizer.encode(texts[seed % texts.length] as string);
      const stream = tokenizer.createTextStream({ skipSpecialTokens: false });
      let text = '';
      for (const id of ids) {
        text += stream.push(id);
        expect(tokenizer.decode(ids).startsWith(text)).toBe(true);
      }
      expect(text + stream.end()).toBe(tokenizer.decode(ids));
    }
  });

  it('holds a character back until its last byte is there', () => {
    const ids = tokenizer.encode('a🙂', { addSpecialTokens: false });
    const stream = tokenizer.createTextStream();
    const pieces = ids.map((id) => stream.push(id));
    expect(pieces.filter((piece) => piece !== '')).toEqual(['a', '🙂']);
    stream.push(...tokenizer.encode('🙂', { addSpecialTokens: false }).slice(0, -1));
    expect(stream.end()).toBe('\uFFFD');
  });
});

it('keeps the space between the text that a stream continues and its first word', () => {
  const tokenizer = createTokenizer(byteFallbackFiles());
  const prompt = tokenizer.encode('she');
  const answer = tokenizer.encode('and the', { addSpecialTokens: false });
  expect(tokenizer.createTextStream().push(...answer)).toBe('and the');
  expect(tokenizer.createTextStream({ context: prompt }).push(...answer)).toBe(' and the');
});

describe('special tokens', () => {
  it('pads with eos where there is no pad token, and takes unk, bos and pad where they are', () => {
    const byteLevel = createTokenizer(byteLevelFiles());
    expect(byteLevel).toMatchObject({ bosId: null, eosId: 0, padId: 0, unkId: null, prefixIds: [], endIds: [0] });
    const llama = createTokenizer(byteFallbackFiles());
    expect(llama).toMatchObject({ bosId: 1, eosId: 2, padId: 2, unkId: 0, prefixIds: [1], suffixIds: [], endIds: [2] });
    expect(createTokenizer(withConfig(byteFallbackFiles(), { pad_token: { content: '<unk>' } })).padId).toBe(0);
    expect(createTokenizer(withConfig(byteFallbackFiles(), { pad_token: '[PAD]' })).padId).toBe(2);
  });

  it('reads the map where the config is silent, and further end tokens from the generation config', () => {
    const { tokenizerConfig: _, ...files } = byteFallbackFiles();
    const tokenizer = createTokenizer({
      ...files,
      specialTokensMap: { eos_token: '</s>', bos_token: { content: '<s>' } },
      generationConfig: { eos_token_id: [0, 2] },
    });
    expect(tokenizer).toMatchObject({ bosId: 1, eosId: 2, endIds: [2, 0] });
  });

  it('refuses an eos that the vocabulary lacks', () => {
    expect(() => createTokenizer(withConfig(byteFallbackFiles(), { eos_token: '<end>' }))).toThrow(
      /FILE_INVALID at tiny-byte-fallback\/tokenizer_config\.json: eos_token names a token.*got "<end>"/,
    );
  });

  it('puts bos first once, also when the text already begins with it', () => {
    const tokenizer = createTokenizer(byteFallbackFiles());
    const [bos, ...rest] = tokenizer.encode('the');
    expect(bos).toBe(1);
    expect(rest).not.toContain(1);
    expect(tokenizer.encode('<s>the').filter((id) => id === 1)).toHaveLength(1);
    expect(tokenizer.encode('the', { addSpecialTokens: false })).toEqual(rest);
  });

  it('follows add_bos_token and add_eos_token', () => {
    const without = createTokenizer(withConfig(byteFallbackFiles(), { add_bos_token: false, add_eos_token: true }));
    expect(without).toMatchObject({ prefixIds: [], suffixIds: [2] });
    expect(without.encode('the').at(-1)).toBe(2);
    expect(without.encode('the</s>').filter((id) => id === 2)).toHaveLength(1);
  });

  it('takes added tokens that only the config lists', () => {
    const plain = createTokenizer(byteLevelFiles());
    const tokenizer = createTokenizer(
      withConfig(byteLevelFiles(), {
        added_tokens_decoder: { [plain.vocabSize]: { content: '<tool>', special: true, normalized: false } },
      }),
    );
    expect(tokenizer.vocabSize).toBe(plain.vocabSize + 1);
    expect(tokenizer.encode('<tool>')).toEqual([plain.vocabSize]);
    expect(tokenizer.decode([plain.vocabSize], { skipSpecialTokens: true })).toBe('');
    expect(tokenizer.hash).not.toBe(plain.hash);
  });

  it('never cleans spaces up, whatever the config says', () => {
    const tokenizer = createTokenizer(withConfig(byteLevelFiles(), { clean_up_tokenization_spaces: true }));
    expect(tokenizer.decode(tokenizer.encode('a . b'))).toBe('a . b');
  });
});

describe('loadTokenizer', () => {
  it('reads a folder', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'tokenizer-'));
    const files = byteFallbackFiles();
    await writeFile(path.join(folder, 'tokenizer.json'), JSON.stringify(files.tokenizerJson));
    await writeFile(path.join(folder, 'tokenizer_config.json'), JSON.stringify(files.tokenizerConfig));
    await writeFile(path.join(folder, 'chat_template.jinja'), '{{ messages }}');
    const tokenizer = await loadTokenizer(folder);
    expect(tokenizer.hash).toBe(createTokenizer(files).hash);
    expect(tokenizer.files.chatTemplate).toBe('{{ messages }}');
  });

  it('says which file is missing or broken', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'tokenizer-'));
    await expect(loadTokenizer(folder)).rejects.toMatchObject({ code: 'FILE_MISSING', where: folder });
    await writeFile(path.join(folder, 'tokenizer.json'), '{"model":');
    await expect(loadTokenizer(folder)).rejects.toThrow(/FILE_INVALID at .*tokenizer\.json: not JSON/);
    await writeFile(path.join(folder, 'tokenizer.json'), '{"model":{"type":"Nothing"}}');
    await expect(loadTokenizer(folder)).rejects.toThrow(
      /FILE_INVALID at .*tokenizer\.json: the tokenizer cannot be built/,
    );
  });
});

function randomIds(tokenizer: Tokenizer, seed: number): number[] {
  let state = seed;
  return Array.from({ length: 12 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % tokenizer.vocabSize;
  });
}
