import { type ComponentType } from 'react';

import { type Kind, type KindEditorProps } from '../kinds';
import { type KindSchema } from '../schema';
import { DETECTOR_SCHEMAS } from '../schema.gen';
import { schemaEditor } from '../SchemaEditor';
import { type DetectorOptions } from '../types';

import { IsolationForestEditor } from './IsolationForest';

type Editors = { [K in keyof DetectorOptions]: ComponentType<KindEditorProps<DetectorOptions[K]>> };

/** Editors that do more than to show each option: how far the forest's options reach depends on one another. */
const OWN: Partial<Editors> = { 'isolation-forest': IsolationForestEditor };

/** Every detector the backend has, in the order of the list; the default comes first. */
export const DETECTORS = Object.fromEntries(
  Object.entries<KindSchema>(DETECTOR_SCHEMAS).map(([kind, { label, description, options }]) => [
    kind,
    { label, description, component: OWN[kind as keyof Editors] ?? schemaEditor(kind, options) },
  ]),
) as { [K in keyof DetectorOptions]: Kind<DetectorOptions[K]> };
