// What Grafana's own library makes of panels: node shown.cjs FOLDER_OF_NODE_MODULES < jobs > texts
// A job is {panel, frames: [{refId, rows: [{labels, value}]}]}; the answer to it is a list of rows of
// [text, colour]. A panel of stats and a timeline have one cell per series, a table its headings first.
const { createRequire } = require('module');
const fs = require('fs');

const fromThere = createRequire(process.argv[2] + '/');
const { JSDOM } = fromThere('jsdom');
const { window } = new JSDOM('', { url: 'http://localhost:3000/' });
window.grafanaBootData = { settings: { featureToggles: {} }, user: {} };
window.matchMedia = () => ({ matches: false, addListener() {} });
globalThis.window = window;
globalThis.document = window.document;
Object.defineProperty(globalThis, 'navigator', { value: window.navigator, configurable: true });

const grafana = fromThere('@grafana/data');
const { firstValueFrom } = fromThere('rxjs');

const AT = 1.8e12;
const OPTIONS = ['unit', 'min', 'max', 'noValue', 'mappings', 'thresholds', 'color', 'links'];
const transformers = new Map(
  Object.values(grafana.standardTransformers).map((each) => [each.id, each])
);
grafana.standardTransformersRegistry.setInit(() =>
  [...transformers.values()].map((each) => ({ id: each.id, name: each.name, transformation: each }))
);
grafana.standardFieldConfigEditorRegistry.setInit(() =>
  OPTIONS.map((id) => ({
    id, path: id, name: id, process: (value) => value, shouldApply: () => true, settings: {},
  }))
);

function applied(panel, data) {
  return grafana.applyFieldOverrides({
    data,
    fieldConfig: panel.fieldConfig,
    fieldConfigRegistry: grafana.standardFieldConfigEditorRegistry,
    replaceVariables: (text) => text,
    theme: grafana.createTheme(),
    timeZone: 'utc',
  });
}

const shown = (display) => [grafana.formattedValueToString(display), display.color ?? ''];

function asSeries(frames) {
  return frames.flatMap((frame) => frame.rows).map(({ value }) =>
    grafana.toDataFrame({
      fields: [
        { name: 'Time', type: 'time', values: [AT] },
        { name: 'Value', type: 'number', values: [value] },
      ],
    })
  );
}

function timeline({ panel, frames }) {
  return applied(panel, asSeries(frames)).map((frame) => {
    const [, field] = frame.fields;
    return shown(field.display(field.values[0]));
  });
}

function stats({ panel, frames }) {
  const found = grafana.getFieldDisplayValues({
    fieldConfig: panel.fieldConfig,
    reduceOptions: panel.options.reduceOptions,
    data: applied(panel, asSeries(frames)),
    replaceVariables: (text) => text,
    theme: grafana.createTheme(),
    timeZone: 'utc',
  });
  return found.map(({ display }) => shown(display));
}

// as the data source of Prometheus makes a table of one query's series
function asTable({ refId, rows }, isOneOfSeveral) {
  const labels = [...new Set(rows.flatMap((row) => Object.keys(row.labels)))];
  return grafana.toDataFrame({
    refId,
    fields: [
      { name: 'Time', type: 'time', values: rows.map(() => AT) },
      ...labels.map((label) => ({
        name: label, type: 'string', values: rows.map((row) => row.labels[label] ?? ''),
      })),
      {
        name: isOneOfSeveral ? `Value #${refId}` : 'Value',
        type: 'number',
        values: rows.map((row) => row.value),
      },
    ],
  });
}

async function table({ panel, frames }) {
  const given = frames.map((frame) => asTable(frame, panel.targets.length > 1));
  const context = { interpolate: (text) => text };
  const made = await firstValueFrom(
    grafana.transformDataFrame(panel.transformations ?? [], given, context)
  );
  const [frame] = applied(panel, made);
  const headings = frame.fields.map((field) => [grafana.getFieldDisplayName(field, frame), '']);
  const rows = Array.from({ length: frame.length }, (_, row) =>
    frame.fields.map((field) => shown(field.display(field.values[row])))
  );
  return [headings, ...rows];
}

(async () => {
  const kinds = { table, stat: stats, bargauge: stats, 'state-timeline': timeline };
  const answers = [];
  for (const job of JSON.parse(fs.readFileSync(0))) {
    answers.push(await kinds[job.panel.type](job));
  }
  console.log(JSON.stringify(answers));
})();
