/**
 * Compares each published entry's types with the report committed in docs/api, and fails on an undeclared change;
 * with `--update`, writes the reports.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { CompilerState, Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor';
import { entries, report, root, workspacePackages } from './workspace.js';

const update = process.argv.includes('--update');
const reportFolder = join(root, 'docs/api');
const builtFolder = join(root, 'node_modules/.cache/api-report');
const silent = { default: { logLevel: ExtractorLogLevel.None } };

const configs = workspacePackages()
  .filter(({ manifest }) => !manifest.private)
  .flatMap((member) =>
    entries(member).map((entry) => {
      const name = basename(member.folder) + entry.subpath.slice(1).replaceAll('/', '-');
      return ExtractorConfig.prepare({
        packageJsonFullPath: join(root, member.folder, 'package.json'),
        configObjectFullPath: undefined,
        configObject: {
          projectFolder: root,
          mainEntryPointFilePath: join(root, member.folder, entry.types),
          compiler: {
            overrideTsconfig: {
              compilerOptions: {
                target: 'ES2023',
                lib: ['ES2023', 'DOM'],
                module: 'nodenext',
                strict: true,
                skipLibCheck: true,
                types: ['node'],
              },
            },
          },
          apiReport: {
            enabled: true,
            reportFileName: name,
            reportFolder,
            reportTempFolder: builtFolder,
          },
          newlineKind: 'lf',
          messages: {
            compilerMessageReporting: silent,
            extractorMessageReporting: silent,
            tsdocMessageReporting: silent,
          },
        },
      });
    }),
  );

const [first] = configs;
if (!first) throw new Error('The workspace publishes no package.');
mkdirSync(reportFolder, { recursive: true });
const compilerState = CompilerState.create(first, {
  additionalEntryPoints: configs.map(({ mainEntryPointFilePath }) => mainEntryPointFilePath),
});

/**
 * A report with the members of each enum and each union of literals in alphabetical order. TypeScript prints them in the
 * order in which it met the literals, and the declarations' bundler reads files in no fixed order.
 */
function inOneOrder(text: string): string {
  const sorted = (list: string, separator: string) => list.split(separator).sort().join(separator);
  return text
    .replace(/(?<=\{\n)(?: +"?([^"\n]+)"?: "\1";\n)+(?= *\})/g, (members) => `${sorted(members.slice(0, -1), '\n')}\n`)
    .replace(/(?:'[^'\n]*'|"[^"\n]*"|\b\d+)(?: \| (?:'[^'\n]*'|"[^"\n]*"|\d+))+/g, (union) => sorted(union, ' | '));
}

const problems: string[] = [];
for (const config of configs) {
  Extractor.invoke(config, {
    compilerState,
    localBuild: false,
    messageCallback: (message) => {
      message.handled = true;
    },
  });
  const name = basename(config.reportFilePath);
  const built = inOneOrder(readFileSync(join(builtFolder, name), 'utf8'));
  if (update) writeFileSync(config.reportFilePath, built);
  const committed = existsSync(config.reportFilePath) ? readFileSync(config.reportFilePath, 'utf8').split('\n') : [];
  const line = built.split('\n').findIndex((text, index) => text !== committed[index]);
  if (line >= 0)
    problems.push(
      `${name}:${line + 1} says "${committed[line]?.trim()}", and what is built "${built.split('\n')[line]?.trim()}"`,
    );
}

const expected = new Set(configs.map(({ reportFilePath }) => basename(reportFilePath)));
for (const name of readdirSync(reportFolder).filter((file) => !expected.has(file))) {
  if (update) rmSync(join(reportFolder, name));
  else problems.push(`${name} reports an entry that is no longer published`);
}
if (problems.length > 0) problems.push('If the change is meant, run `npm run api` and add a changeset.');
report(`API reports of ${configs.length} entries`, problems);
