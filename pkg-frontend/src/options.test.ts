import { setOption, thinChoice, withDefaults } from './options';

describe('withDefaults', () => {
  it('fills in what is absent and keeps what is saved', () => {
    expect(withDefaults({ a: 1, b: 2 }, { b: 3 })).toEqual({ a: 1, b: 3 });
  });

  it('takes undefined for absent, but keeps null and zero', () => {
    expect(withDefaults<{ a: number | null; b: number }>({ a: 1, b: 2 }, { a: undefined })).toEqual({ a: 1, b: 2 });
    expect(withDefaults<{ a: number | null; b: number }>({ a: 1, b: 2 }, { a: null, b: 0 })).toEqual({ a: null, b: 0 });
  });

  it('renders the defaults where nothing is saved', () => {
    expect(withDefaults({ a: 1 }, undefined)).toEqual({ a: 1 });
  });
});

describe('setOption', () => {
  it('saves what differs from the default', () => {
    expect(setOption<{ a?: number }, 'a'>({}, 'a', 5, 1)).toEqual({ a: 5 });
  });

  it('leaves a default out, also where another value was saved', () => {
    expect(setOption<{ a?: number; b?: number }, 'a'>({ a: 5, b: 2 }, 'a', 1, 1)).toStrictEqual({ b: 2 });
  });

  it('compares lists by what is in them', () => {
    expect(setOption<{ a?: string[] }, 'a'>({ a: ['y'] }, 'a', ['x'], ['x'])).toStrictEqual({});
  });

  it('drops the key of an undefined value', () => {
    expect(setOption<{ a?: number }, 'a'>({ a: 5 }, 'a', undefined, 1)).toStrictEqual({});
  });

  it('changes nothing in place', () => {
    const saved = { a: 5 };
    setOption(saved, 'a', 6, 1);
    expect(saved).toEqual({ a: 5 });
  });
});

describe('thinChoice', () => {
  it('is absent where it says only the default kind', () => {
    expect(thinChoice({ kind: 'a' }, 'a')).toBeUndefined();
  });

  it('stays where the kind differs or an option is set', () => {
    expect(thinChoice({ kind: 'b' }, 'a')).toEqual({ kind: 'b' });
    expect(thinChoice({ kind: 'a', x: 1 }, 'a')).toEqual({ kind: 'a', x: 1 });
  });
});
