import java.io.FileInputStream;
import java.io.InputStream;
import java.util.Map;
import java.util.TreeMap;
import java.util.logging.LogManager;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.PDFAValidator;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;
import org.verapdf.pdfa.results.ValidationResult;
import org.verapdf.pdfa.validation.profiles.Profiles;
import org.verapdf.pdfa.validation.profiles.ValidationProfile;

/**
 * Validates a PDF against PDF/A-3a and PDF/UA-1: one line each, with the clauses that failed.
 * The profiles are read from the engine's own jar, because its directory lookup finds none there.
 */
public final class VeraCheck {
    public static void main(String[] files) throws Exception {
        LogManager.getLogManager().reset();
        VeraGreenfieldFoundryProvider.initialise();
        boolean compliant = true;
        for (String file : files) {
            compliant &= check(file, "3a", "PDFA-3A.xml") & check(file, "ua1", "PDFUA-1.xml");
        }
        System.exit(compliant ? 0 : 1);
    }

    private static boolean check(String file, String flavour, String profileFile) throws Exception {
        ValidationProfile profile;
        try (InputStream xml = VeraCheck.class.getResourceAsStream("/org/verapdf/pdfa/validation/" + profileFile)) {
            profile = Profiles.profileFromXml(xml);
        }
        try (FileInputStream pdf = new FileInputStream(file);
                PDFAParser parser = Foundries.defaultInstance().createParser(pdf, PDFAFlavour.fromString(flavour));
                PDFAValidator validator = Foundries.defaultInstance().createValidator(profile, false)) {
            ValidationResult result = validator.validate(parser);
            String verdict = result.isCompliant() ? "PASS" : "FAIL";
            System.out.println(verdict + " " + flavour + " " + result.getTotalAssertions() + " checks");
            Map<String, String> failures = new TreeMap<>();
            for (TestAssertion assertion : result.getTestAssertions()) {
                if (assertion.getStatus() == TestAssertion.Status.FAILED) {
                    String clause = assertion.getRuleId().getClause() + "-" + assertion.getRuleId().getTestNumber();
                    failures.putIfAbsent(clause, assertion.getMessage() + " @ " + assertion.getLocation().getContext());
                }
            }
            failures.forEach((clause, message) -> System.out.println("  " + clause + " " + message));
            return result.isCompliant();
        }
    }
}
