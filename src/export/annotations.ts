// Annotations of an image: on its index, its manifests, and the descriptors of both (docker buildx: `--annotation`).

import { SlipwayError } from '../base/index.ts';
import { formatPlatform, normalizePlatform, parsePlatform, type Platform } from '../oci/index.ts';

type Level = 'index' | 'index-descriptor' | 'manifest' | 'manifest-descriptor';

/** One annotation. Without platform it is for all of them. */
export interface Annotation {
  readonly level: Level;
  /** Canonical text of the platform. */
  readonly platform?: string;
  readonly key: string;
  readonly value: string;
}

/** Annotations of one image, by level. Empty maps are left out. */
export interface AnnotationSet {
  readonly index: Readonly<Record<string, string>>;
  readonly indexDescriptor: Readonly<Record<string, string>>;
  manifest(platform: Platform | undefined): Readonly<Record<string, string>>;
  manifestDescriptor(platform: Platform | undefined): Readonly<Record<string, string>>;
  /** Platforms that annotations name. */
  readonly platforms: readonly string[];
}

const LEVELS: readonly string[] = ['index', 'index-descriptor', 'manifest', 'manifest-descriptor'];
const ATTRIBUTE = /^annotation(?:-([a-z-]+))?(?:\[([A-Za-z0-9_/-]+)\])?\.(\S+)$/;
const TYPE = /^([a-z-]+)(?:\[([A-Za-z0-9_./-]+)\])?$/;

/** Reads an output attribute `annotation[-type][[platform]].key`; undefined when it is none. */
export function readAnnotationAttribute(name: string, value: string): Annotation | undefined {
  const match = ATTRIBUTE.exec(name);
  if (match === null) return undefined;
  const [, type = 'manifest', platform, key = ''] = match;
  if (!isLevel(type))
    throw new SlipwayError('OUTPUT_INVALID', `unrecognized annotation type ${type}`, { hint: `there are ${LEVELS.join(', ')}` });
  return { level: type, key, value, ...readPlatform(platform) };
}

/** Reads one `--annotation`: `[type[platform],…:]key=value`. */
export function parseAnnotation(text: string): readonly Annotation[] {
  const equals = text.indexOf('=');
  if (equals < 0) throw new SlipwayError('ANNOTATION_INVALID', `invalid annotation ${JSON.stringify(text)}, expected key=value`);
  const name = text.slice(0, equals);
  const value = text.slice(equals + 1);
  const colon = name.indexOf(':');
  if (colon < 0) return [{ level: 'manifest', key: name, value }];
  const key = name.slice(colon + 1);
  return name
    .slice(0, colon)
    .split(',')
    .map((part) => {
      const match = TYPE.exec(part);
      if (match === null) {
        throw new SlipwayError(
          'ANNOTATION_INVALID',
          `invalid annotation type ${JSON.stringify(part)}, expected type and optional platform in square brackets`,
        );
      }
      const [, type = '', platform] = match;
      if (!isLevel(type)) {
        throw new SlipwayError('ANNOTATION_INVALID', `unknown annotation type ${JSON.stringify(type)}`, {
          hint: `there are ${LEVELS.join(', ')}`,
        });
      }
      return { level: type, key, value, ...readPlatform(platform) };
    });
}

/** Sorts annotations by level; a later one of the same key wins, and one for a platform beats one for all. */
export function annotationSet(annotations: readonly Annotation[]): AnnotationSet {
  const pick = (level: Level, platform?: string): Readonly<Record<string, string>> => {
    const chosen = annotations.filter(
      (annotation) => annotation.level === level && (platform === undefined || annotation.platform === platform),
    );
    return Object.fromEntries(chosen.map(({ key, value }) => [key, value]));
  };
  const forPlatform = (level: Level, platform: Platform | undefined): Readonly<Record<string, string>> => {
    const common = annotations.filter((annotation) => annotation.level === level && annotation.platform === undefined);
    return {
      ...Object.fromEntries(common.map(({ key, value }) => [key, value])),
      ...(platform === undefined ? {} : pick(level, canonical(platform))),
    };
  };
  return {
    index: pick('index'),
    indexDescriptor: pick('index-descriptor'),
    manifest: (platform) => forPlatform('manifest', platform),
    manifestDescriptor: (platform) => forPlatform('manifest-descriptor', platform),
    platforms: [...new Set(annotations.flatMap(({ platform }) => (platform === undefined ? [] : [platform])))],
  };
}

/** The text that annotations know a platform by. */
export function canonical(platform: Platform): string {
  return formatPlatform(normalizePlatform(platform));
}

function readPlatform(text: string | undefined): { readonly platform?: string } {
  return text === undefined ? {} : { platform: canonical(parsePlatform(text)) };
}

function isLevel(text: string): text is Level {
  return LEVELS.includes(text);
}
