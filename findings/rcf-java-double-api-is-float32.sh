#!/usr/bin/env bash
# SUMMARY: Random Cut Forest (Java) takes double[] but stores float: around 1.7e9 a 20 sigma point scores like the centre and spikes of 60 sigma are never flagged.
#
# Expected: update() and process() take double[], random cuts know only differences, so a series moved by a constant
#   has the same scores and the same anomalies.
# Really: points are kept as float, whose step at 1.7e9 is 128. Noise of 1 around it becomes one single value; the plain forest
#   scores the centre and a point 20 away both 0.5, and ThresholdedRandomCutForest reports no anomaly at all.
#   No exception and no warning.
# Versions: software.amazon.randomcutforest randomcutforest-core and -parkservices 4.4.0, JDK 17.
# Seen: RCF around 0: 0.67 and 6.94; around 1.7e9: 0.5 and 0.5. TRCF around 0 flags both spikes (1000 and 1200, and
#   four others), around 1.7e9: [].
# Why it matters: byte counters, memory in bytes, Unix times and other large metrics with small changes are
#   never anomalous; the detector looks healthy.
# What to do: subtract a reference value (first value, running mean) or take differences before process().
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >pom.xml <<'P'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>t</groupId><artifactId>t</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>software.amazon.randomcutforest</groupId><artifactId>randomcutforest-parkservices</artifactId><version>4.4.0</version>
    <exclusions><exclusion><groupId>software.amazon.randomcutforest</groupId><artifactId>randomcutforest-testutils</artifactId></exclusion></exclusions>
  </dependency></dependencies>
</project>
P
nice -n 15 mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory=lib >mvn.log 2>&1 || { tail -5 mvn.log; exit 1; }
cat >T.java <<'P'
import com.amazon.randomcutforest.RandomCutForest;
import com.amazon.randomcutforest.parkservices.ThresholdedRandomCutForest;
import java.util.*;

public class T {
    static double[] plain(double offset) {
        RandomCutForest f = RandomCutForest.builder().dimensions(1).numberOfTrees(50).sampleSize(256).randomSeed(42).build();
        Random r = new Random(1);
        for (int i = 0; i < 1000; i++) f.update(new double[] {offset + r.nextGaussian()});
        return new double[] {f.getAnomalyScore(new double[] {offset}), f.getAnomalyScore(new double[] {offset + 20})};
    }
    static List<Integer> flagged(double offset) {
        ThresholdedRandomCutForest t = ThresholdedRandomCutForest.builder().dimensions(4).shingleSize(4).numberOfTrees(50)
                .randomSeed(7).sampleSize(256).anomalyRate(0.01).build();
        Random r = new Random(1);
        List<Integer> at = new ArrayList<>();
        for (int i = 0; i < 1500; i++) {
            double v = 10 * Math.sin(i * 2 * Math.PI / 24) + r.nextGaussian() + (i == 1000 || i == 1200 ? 60 : 0);
            if (t.process(new double[] {v + offset}, i * 60L).getAnomalyGrade() > 0) at.add(i);
        }
        return at;
    }
    public static void main(String[] a) {
        double[] near = plain(0), far = plain(1.7e9);
        System.out.printf("RCF around 0:     score of the centre %.2f, of centre + 20: %.2f%n", near[0], near[1]);
        System.out.printf("RCF around 1.7e9: score of the centre %.2f, of centre + 20: %.2f%n", far[0], far[1]);
        List<Integer> n = flagged(0), f = flagged(1.7e9);
        System.out.println("TRCF, spikes of 60 at 1000 and 1200; around 0 flags " + n + ", around 1.7e9 " + f);
        if (near[1] > 3 * near[0] && far[0] == far[1] && n.contains(1000) && n.contains(1200) && f.isEmpty())
            System.out.println("CONFIRMED: doubles are kept as float");
        else { System.err.println("the behaviour is no longer that"); System.exit(1); }
    }
}
P
nice -n 15 javac -Xlint:none -nowarn -cp 'lib/*' T.java 2>javac.log || { cat javac.log; exit 1; }
nice -n 15 java -cp 'lib/*:.' T
