/** Fails if a package lacks a part that all packages have, or an index.ts does more than list names. */
import { anatomyProblems } from './anatomy.js';
import { report, root, workspacePackages } from './workspace.js';

const packages = workspacePackages();
report(
  `anatomy of ${packages.length} packages`,
  packages.flatMap((member) => anatomyProblems(root, member)),
);
