import { checkData, type DataCheck, loadTokenizer } from '@tunesmith/data';
import {
  describeModel,
  loadObjectiveOf,
  locateModel,
  openBase,
  parseData,
  parseObjective,
  parseSettings,
  recipeSchema,
  resolveObjective,
  rowLengthOf,
  rowOptions,
} from '@tunesmith/runtime';
import { createEngine, pluginRoots } from './engine.js';
import { formatCount, formatShare } from './format.js';
import { modelOf } from './recipe-from-flags.js';
import type { Terminal } from './terminal.js';

/** Rows that training would refuse to start with: exit code 2, so that a script notices. */
const mostMasked = 0.1;

/** Prints what a data file is, and sets the exit code where training would refuse it. */
export async function checkFile(
  file: string,
  flags: { readonly model: string; readonly set?: readonly string[] },
  terminal: Terminal,
): Promise<void> {
  const { families, hub } = createEngine();
  const model = recipeSchema.shape.model.parse(modelOf(flags.model));
  const { path } = await locateModel(model, hub, terminal.status);
  const settings = parseSettings(flags.set ?? []);
  const data = parseData({ ...(settings.data as object | undefined), train: file }, '--set');
  const folder = await openBase(path, families);
  const tokenizer = await loadTokenizer(await folder.readTokenizer());
  await folder.close();
  const { shape } = describeModel(folder.config, path, families);
  terminal.status(`reading ${file} …`);
  const objectives = await loadObjectiveOf({ value: settings, where: '--set' }, { roots: pluginRoots() });
  const given = parseObjective(settings.objective, '--set', objectives);
  const objective = await resolveObjective({ objective: given, data }, shape, objectives);
  const maxLength = await rowLengthOf(data, { shape, objective, path });
  const check = await checkData(file, rowOptions(data, tokenizer, maxLength, objective, objectives));
  terminal.status('');
  if (terminal.json) terminal.printJson(check);
  else printCheck(check, maxLength, terminal);
  const { examples, masked } = check.report;
  if (check.invalid > 0 || masked > mostMasked * examples) process.exitCode = 2;
}

function printCheck(check: DataCheck, maxLength: number, terminal: Terminal): void {
  const { file, format, report, lengths, invalid, errors, duplicates, duplicateExamples, unknownTokens, example } =
    check;
  const { labels, pairLengths, unanswered } = check;
  const line = (name: string, text: string): void => terminal.print(`  ${name.padEnd(12)}${text}`);
  const counted = (count: number, labels: readonly string[]): string =>
    `${formatCount(count)}${count > 0 ? `  ${terminal.style('dim', firstOf(labels, file))}` : ''}`;
  terminal.print(terminal.style('bold', file));
  line('format', format);
  line(
    'examples',
    `${formatCount(report.examples)}, in ${formatCount(report.rows)} rows of at most ${maxLength} tokens`,
  );
  line(
    'tokens',
    `${formatCount(report.tokens)}: median ${lengths.median}, 95 % up to ${lengths.p95}, longest ${lengths.max}`,
  );
  const most = Math.max(1, ...lengths.bins.map(({ count }) => count));
  for (const { from, to, count } of lengths.bins) {
    line('', `${`${from}–${to}`.padStart(13)} ${'█'.repeat(Math.ceil((30 * count) / most))} ${formatCount(count)}`);
  }
  if (example?.compared !== undefined) {
    line('cut', `texts of ${formatCount(report.truncatedPrompts)} examples`);
  } else if (unanswered !== null) {
    line('no answer', `${formatCount(unanswered)} questions`);
  } else if (labels === null) {
    const answers = counted(report.truncatedAnswers, report.truncatedExamples);
    line('cut', `${formatCount(report.truncatedPrompts)} prompts; answers ${answers}`);
    line('no answer', counted(report.masked, report.maskedExamples));
    if (report.pairs !== null && pairLengths !== null) printPairs(report.pairs, pairLengths, line, counted);
  } else {
    line('cut', `${formatCount(report.truncatedPrompts)} texts`);
    for (const [index, text] of labelLines(labels).entries()) line(index === 0 ? 'labels' : '', text);
  }
  line('duplicates', counted(duplicates, duplicateExamples));
  if (unknownTokens > 0) line('unknown', `${formatCount(unknownTokens)} tokens that the tokenizer cannot write`);
  line('invalid', formatCount(invalid));
  for (const error of errors) terminal.print(`    ${terminal.style('red', error)}`);
  if (example?.compared !== undefined) {
    printCompared(example, terminal);
  } else if (example !== null && labels === null) {
    printExample(example, terminal);
    if (example.rejected !== undefined) printExample({ source: 'rejected', spans: example.rejected }, terminal);
    for (const answer of example.answers ?? []) terminal.print(`  ${terminal.style('green', '→')} ${answer}`);
  }
  if (example !== null && labels !== null) {
    terminal.print(`\n${terminal.style('bold', example.source)}`);
    terminal.print(example.spans.map(({ text }) => text).join(''));
  }
}

/** Both sides of pairs of answers, and pairs that teach nothing or the wrong thing. */
function printPairs(
  { identical, identicalExamples, cutOnOneSide, cutOnOneSideExamples }: NonNullable<DataCheck['report']['pairs']>,
  lengths: NonNullable<DataCheck['pairLengths']>,
  line: (name: string, text: string) => void,
  counted: (count: number, labels: readonly string[]) => string,
): void {
  for (const side of ['chosen', 'rejected'] as const) {
    const { median, p95, max } = lengths[side];
    line(side, `median ${median} tokens, 95 % up to ${p95}, longest ${max}`);
  }
  line('uneven cut', counted(cutOnOneSide, cutOnOneSideExamples));
  line('identical', counted(identical, identicalExamples));
}

/** A label and how many rows have it, or a target and between what it lies. */
function labelLines({ counts, targets }: NonNullable<DataCheck['labels']>): string[] {
  const all = counts.reduce((sum, { count }) => sum + count, 0);
  return [
    ...counts.map(({ label, count }) => `${label}: ${formatCount(count)} (${formatShare(count, all)})`),
    ...targets.map(({ label, min, mean, max }) => `${label}: ${min} to ${max}, ${mean.toPrecision(4)} on average`),
  ];
}

/** The example with its loss weights: what weighs 1 in green, less in yellow, nothing dim. */
function printExample(
  { source, spans }: Pick<NonNullable<DataCheck['example']>, 'source' | 'spans'>,
  terminal: Terminal,
): void {
  terminal.print();
  const legend = [...new Set(spans.map(({ weight }) => weight))]
    .sort((a, b) => b - a)
    .map((weight) => paint(terminal, weight, rounded(weight)));
  terminal.print(`${terminal.style('bold', source)}  loss weights: ${legend.join(' ')}`);
  terminal.print(spans.map(({ text, weight }) => paint(terminal, weight, text)).join(''));
}

/** A text, and those that it is compared with. */
function printCompared(
  { source, spans, compared = [], score }: NonNullable<DataCheck['example']>,
  terminal: Terminal,
): void {
  terminal.print(`\n${terminal.style('bold', source)}${score === undefined ? '' : `  score ${score}`}`);
  terminal.print(spans.map(({ text }) => text).join(''));
  for (const [index, text] of compared.entries()) {
    const isAlike = score !== undefined || index === 0;
    terminal.print(`  ${terminal.style(isAlike ? 'green' : 'yellow', isAlike ? '≈' : '≠')} ${text}`);
  }
}

function paint(terminal: Terminal, weight: number, text: string): string {
  return terminal.style(weight === 1 ? 'green' : weight === 0 ? 'dim' : 'yellow', text);
}

function rounded(weight: number): string {
  return String(Number(weight.toPrecision(4)));
}

function firstOf(labels: readonly string[], file: string): string {
  const rows = labels.slice(0, 5).map((label) => label.replace(`${file}:`, 'row '));
  return `${rows.join(', ')}${labels.length > rows.length ? ', …' : ''}`;
}
