// A bill of materials as an SPDX 2.3 document.

import { digestHex, digestOf } from '../base/index.ts';
import type { FoundPackage } from './scan-packages.ts';

export const SPDX_PREDICATE = 'https://spdx.dev/Document';

/** The document. Its namespace is made of what is in it: equal trees give equal documents. */
export function spdxDocument(name: string, packages: readonly FoundPackage[], created: Date): object {
  const content = digestHex(digestOf(JSON.stringify([name, packages])));
  const root = 'SPDXRef-DocumentRoot';
  const rows = packages.map((found) => ({ id: `SPDXRef-Package-${digestHex(digestOf(found.purl)).slice(0, 16)}`, found }));
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name,
    documentNamespace: `https://spdx.org/spdxdocs/slipway-${content}`,
    creationInfo: { creators: ['Tool: slipway'], created: created.toISOString().replace(/\.\d+Z$/, 'Z') },
    packages: [
      ...rows.map(({ id, found }) => spdxPackage(id, found)),
      {
        name,
        SPDXID: root,
        downloadLocation: 'NOASSERTION',
        filesAnalyzed: false,
        copyrightText: 'NOASSERTION',
        primaryPackagePurpose: 'CONTAINER',
      },
    ],
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: root },
      ...rows.map(({ id }) => ({ spdxElementId: root, relationshipType: 'CONTAINS', relatedSpdxElement: id })),
    ],
  };
}

function spdxPackage(id: string, { name, version, purl, license, supplier, homepage, path }: FoundPackage): object {
  return {
    name,
    SPDXID: id,
    versionInfo: version,
    ...(supplier === undefined ? { supplier: 'NOASSERTION' } : { supplier: `Person: ${supplier}` }),
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    ...(homepage === undefined ? {} : { homepage }),
    sourceInfo: `found in ${path}`,
    licenseConcluded: 'NOASSERTION',
    // Only what is an SPDX expression by its form; the rest would make the document invalid.
    licenseDeclared: license !== undefined && /^[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*$/.test(license) ? license : 'NOASSERTION',
    copyrightText: 'NOASSERTION',
    externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl }],
  };
}
