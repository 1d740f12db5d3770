import React from 'react';

import { type SettingsEditorProps } from '../kinds';

import { Authentication } from './Authentication';
import { Connection } from './Connection';
import { CustomHeaders } from './CustomHeaders';
import { Limits } from './Limits';
import { Tls } from './Tls';

/** How an HTTP upstream is reached, for every source that speaks HTTP. */
export function HttpSettings(props: SettingsEditorProps) {
  return (
    <>
      <Connection {...props} />
      <Authentication {...props} />
      <Tls {...props} />
      <CustomHeaders {...props} />
      <Limits {...props} />
    </>
  );
}
