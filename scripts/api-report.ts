/**
 * Compares each published entry's types with the report committed in docs/api, and fails on an undeclared change;
 * with `--update`, writes the reports.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { CompilerState, Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor';
import { entries, report, root, workspacePackages } from './workspace.js';

const update = process.argv.includes('--update');
const reportFolder = join(root, 'docs/api');
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
            reportTempFolder: join(root, 'node_modules/.cache/api-report'),
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

const problems: string[] = [];
for (const config of configs) {
  const { apiReportChanged } = Extractor.invoke(config, {
    compilerState,
    localBuild: update,
    messageCallback: (message) => {
      message.handled = true;
    },
  });
  if (apiReportChanged && !update) problems.push(`${basename(config.reportFilePath)} differs from what is built`);
}

const expected = new Set(configs.map(({ reportFilePath }) => basename(reportFilePath)));
for (const name of readdirSync(reportFolder).filter((file) => !expected.has(file))) {
  if (update) rmSync(join(reportFolder, name));
  else problems.push(`${name} reports an entry that is no longer published`);
}
if (problems.length > 0) problems.push('If the change is meant, run `npm run api` and add a changeset.');
report(`API reports of ${configs.length} entries`, problems);
