// What a dashboard must be, for tsc: Grafana's published types, with the values of their enumerations as JSON has them.
// tests/deploy/test_dashboard.py appends the dashboard and each of its panels, as literals that must satisfy these types.
import type * as grafana from '@grafana/schema';
import type { Options as StatOptions } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as series from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

/** A type whose enumerations are their values: JSON has no members. */
type Plain<T> = T extends string ? `${T}`
  : T extends number ? (`${T}` extends `${infer N extends number}` ? N : T)
  : T extends Array<infer E> ? Array<Plain<E>>
  : T extends object ? { [K in keyof T]: Plain<T[K]> }
  : T;

/** A query, as Grafana's data source for Prometheus has it; its types are not in the package. */
interface Target {
  refId: string;
  datasource: grafana.DataSourceRef;
  expr: string;
  legendFormat: string;
  instant?: boolean;
  range?: boolean;
  format?: 'time_series' | 'table' | 'heatmap';
}

/** A panel of one kind. */
type Of<Kind extends string, Options, Field> = Plain<
  Omit<grafana.Panel, 'type' | 'targets' | 'options' | 'fieldConfig'> & {
    options: Options;
    fieldConfig: Omit<grafana.FieldConfigSource, 'defaults'> & {
      defaults: Omit<grafana.FieldConfig, 'custom'> & { custom?: Field };
    };
  }
> & { type: Kind; targets: Target[] };

type StatPanel = Of<'stat', StatOptions, never>;
type TimeseriesPanel = Of<'timeseries', series.Options, series.FieldConfig>;
type TablePanel = Of<'table', Partial<table.Options>, table.FieldConfig>;
type RowPanel = Plain<grafana.RowPanel>;

/** A dashboard; its panels follow one by one. */
type Dashboard = Plain<Omit<grafana.Dashboard, 'panels' | 'annotations'>> & {
  panels: [];
  annotations: { list: Array<Plain<grafana.AnnotationQuery> & { expr: string; titleFormat: string }> };
};

