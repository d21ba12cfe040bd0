// A bill of materials as an SPDX 2.3 document.

import { digestHex, digestOf } from '../base/index.ts';
import type { FoundPackage } from './scan-packages.ts';
import { type ExtractedLicense, licenseExpression } from './spdx-license.ts';

export const SPDX_PREDICATE = 'https://spdx.dev/Document';

/** The document. Its namespace is made of what is in it: equal trees give equal documents. */
export function spdxDocument(name: string, packages: readonly FoundPackage[], created: Date): object {
  const content = digestHex(digestOf(JSON.stringify([name, packages])));
  const root = 'SPDXRef-DocumentRoot';
  const extracted = new Map<string, ExtractedLicense>();
  const rows = packages.map((found) => ({ id: `SPDXRef-Package-${digestHex(digestOf(found.purl)).slice(0, 16)}`, found }));
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name,
    documentNamespace: `https://spdx.org/spdxdocs/slipway-${content}`,
    creationInfo: { creators: ['Tool: slipway'], created: created.toISOString().replace(/\.\d+Z$/, 'Z') },
    packages: [
      ...rows.map(({ id, found }) => spdxPackage(id, found, extracted)),
      {
        name,
        SPDXID: root,
        downloadLocation: 'NOASSERTION',
        filesAnalyzed: false,
        copyrightText: 'NOASSERTION',
        primaryPackagePurpose: 'CONTAINER',
      },
    ],
    ...(extracted.size === 0 ? {} : { hasExtractedLicensingInfos: [...extracted.values()] }),
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: root },
      ...rows.map(({ id }) => ({ spdxElementId: root, relationshipType: 'CONTAINS', relatedSpdxElement: id })),
    ],
  };
}

function spdxPackage(id: string, found: FoundPackage, extracted: Map<string, ExtractedLicense>): object {
  const { name, version, purl, license, supplier, homepage, path } = found;
  const declared = license === undefined ? undefined : licenseExpression(license);
  for (const one of declared?.extracted ?? []) extracted.set(one.licenseId, one);
  return {
    name,
    SPDXID: id,
    versionInfo: version,
    supplier: supplier === undefined ? 'NOASSERTION' : `Person: ${withAddress(supplier)}`,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    ...(homepage !== undefined && WEB_PAGE.test(homepage) ? { homepage } : {}),
    sourceInfo: `found in ${path}`,
    licenseConcluded: 'NOASSERTION',
    // Only what is an expression; texts would make the document invalid.
    licenseDeclared: declared?.text ?? 'NOASSERTION',
    copyrightText: 'NOASSERTION',
    externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl }],
  };
}

/** What packages call their page may be anything, and one that is no address makes the whole document invalid. */
const WEB_PAGE = /^https?:\/\/[a-z0-9]+(?:[-.][a-z0-9]+)*\.[a-z]{2,}(?::\d{1,5})?(?:\/\S*)?$/i;

/** `name <address>` as SPDX writes it: `name (address)`. */
function withAddress(supplier: string): string {
  const [, name, address] = /^([^<>]*\S)\s*<([^<>]+)>$/.exec(supplier) ?? [];
  return name === undefined ? supplier : `${name.replaceAll('(', '[').replaceAll(')', ']')} (${address ?? ''})`;
}
